"""Proofs with people outside of the house: a ward's hotline with two lines, and a resident who is called back."""

import time

import sound
import wire
from engine import NUMBER
from phones import Baresip, sipp
from stage import Proof

TRUNK = 5090  # config/lines.yaml of the city that ships
WARD = ("ward/nakahara", "13")
WARD_CALLERS, WARD_LINES = 3, 2
WARD_HZ, PERSON_HZ, AGENT_HZ, CALLER_HZ = 700, 700, 440, 1000
RESIDENT = "09012345678"


def say(stage, name, hz):
    """A folder in which a SIPp finds the tone that it says."""
    folder = stage.folder / f"sipp-{name}"
    folder.mkdir()
    (folder / "say.ulaw").write_bytes(sound.to_mu(sound.tone(hz, 1)))
    return folder


def at_once(seen, port):
    """The most calls that were up at once between the engine and `port`, and how many INVITEs went there, as the wire shows it."""
    up, most, invited = set(), 0, set()
    for _, source, target, text in seen.sip:
        call = wire.header(text, "call-id")
        if target == port and text.startswith("INVITE "):
            up.add(call)
            invited.add(call)
        ended = text.startswith("BYE ") and port in (source, target)
        failed = source == port and text.startswith(("SIP/2.0 4", "SIP/2.0 5", "SIP/2.0 6"))
        if ended or failed:
            up.discard(call)
        most = max(most, len(up))
    return most, len(invited)


def wards(stage, city, first_key, second_key, check_quiet):
    """Three agents send their callers to a ward's hotline with two lines: it never gets a third call, and nobody is lost."""
    proof = Proof(f"wards: {WARD_CALLERS} callers are sent on to a hotline with {WARD_LINES} lines")
    agents = [
        Baresip(stage, f"w{i}", sip=6500 + 20 * i, rtp=6700 + 40 * i, control=6600 + i, says_hz=AGENT_HZ, server=city.server, password=city.passwords[f"w{i}"])
        for i in range(1, WARD_CALLERS + 1)
    ]
    for agent in agents:
        stage.wait(f"{agent.name} registers", 15, agent.registered)
    ward = sipp(stage, "ward", "person.xml", TRUNK, 6900, city.server, "-set", "key", 0, "-aa", folder=say(stage, "ward", WARD_HZ))
    seen = wire.Wire(rtp_ports=[7500], sip_port=city.sip)
    callers = sipp(
        stage, "ward-callers", "caller.xml", 7560, 7500, city.server, "-s", NUMBER, "-m", WARD_CALLERS, "-l", WARD_CALLERS, "-r", 1, "-aa",
        "-set", "first", int(first_key * 1000), "-set", "second", int(second_key * 1000), "-set", "stays", 0, "-d", 45000, folder=say(stage, "callers", CALLER_HZ),
    )
    for agent in agents:
        stage.wait(f"{agent.name}'s phone is called and answers", 60, lambda agent=agent: "Call established" in agent.log())
    stage.wait("all three talk", 30, lambda: city.metrics().get('toritsugi_agents{state="talking"}') == WARD_CALLERS)
    for agent in agents:
        for key in f"*6{WARD[1]}":
            agent.command("sndcode", key)
    line = f'toritsugi_line_places_in_use{{line="{WARD[0]}"}}'
    stage.wait("both lines of the ward are taken", 20, lambda: city.metrics().get(line) == WARD_LINES)
    proof.check(True, f"{WARD[0]}: both places are taken")
    stage.wait("the third caller is with an agent again", 40, lambda: city.metrics().get('toritsugi_agents{state="talking"}') == 1)
    proof.check(True, "the third caller was not sent on: an agent of the queue has them again")
    full = city.metrics().get(f'toritsugi_line_full_total{{line="{WARD[0]}"}}', 0)
    proof.check(full >= 1, f"the engine says that the line was full ({full:.0f} times)")
    proof.check(callers.wait(90) == 0, f"every caller stayed until they hung up by themselves (SIPp's exit {callers.returncode})")
    check_quiet(stage, city, proof)
    seen.stop()
    stage.end(ward)
    streams = {}
    for _, source, data in seen.rtp.get(7500, []):
        if len(data) > 12 and data[1] & 0x7F == 0:
            streams.setdefault(source, []).append(data[12:])
    heard = [sound.Heard([s for payload in packets for s in sound.from_g711(0, payload)]) for packets in streams.values() if len(packets) > 200]
    through = sum(ear.longest(WARD_HZ) >= 5 for ear in heard)
    proof.check(through == WARD_LINES, f"{through} callers heard the ward's {WARD_HZ} Hz for 5 s and more")
    most, invited = at_once(seen, TRUNK)
    proof.check(most == WARD_LINES and invited == WARD_LINES, f"on the wire: {invited} calls to the ward, at most {most} at once")
    sent_on = [call for call in city.calls() if call.get("transferred_to") == WARD[0]]
    proof.check(len(sent_on) >= WARD_LINES, f"`toritsugi calls`: {len(sent_on)} callers were put through to {WARD[0]}")
    for agent in agents:
        agent.end()
    proof.check(True, f"`toritsugi verify`: {' '.join(city.verify().splitlines())}")
    return proof.close()


def killed(stage, city, first_key, second_key):
    """The engine is killed while a caller talks with a ward: the next one hangs the ward up at once, and its line is free again."""
    proof = Proof("killed: kill -9 while a ward talks")
    agent = Baresip(stage, "w1", sip=6500, rtp=6700, control=6600, says_hz=AGENT_HZ, server=city.server, password=city.passwords["w1"])
    stage.wait("w1 registers", 15, agent.registered)
    ward = sipp(stage, "ward", "person.xml", TRUNK, 6900, city.server, "-set", "key", 0, "-aa", "-m", 1, folder=say(stage, "ward", WARD_HZ))
    seen = wire.Wire(sip_port=city.sip)
    sipp(
        stage, "callers", "caller.xml", 7560, 7500, city.server, "-s", NUMBER, "-m", 1, "-aa",
        "-set", "first", int(first_key * 1000), "-set", "second", int(second_key * 1000), "-set", "stays", 0, "-d", 90000, folder=say(stage, "callers", CALLER_HZ),
    )
    stage.wait("w1 talks with the caller", 60, lambda: city.metrics().get('toritsugi_agents{state="talking"}') == 1)
    for key in f"*6{WARD[1]}":
        agent.command("sndcode", key)
    line = f'toritsugi_line_places_in_use{{line="{WARD[0]}"}}'
    stage.wait("the ward talks", 20, lambda: any(target == TRUNK and text.startswith("ACK ") for _, _, target, text in seen.sip))
    time.sleep(1)
    dead = time.monotonic()
    city.kill()
    time.sleep(2)
    proof.check(ward.poll() is None, "nobody has told the ward that the engine is dead: it talks on")
    city.again()
    back = time.monotonic()
    proof.check(ward.wait(10) == 0, f"the ward got its BYE from the next engine (SIPp's exit {ward.returncode})")
    bye = [at for at, _, target, text in seen.sip if target == TRUNK and text.startswith("BYE ")]
    proof.check(len(bye) == 1, f"{len(bye)} BYE went to the ward")
    proof.measure(f"the engine was healthy again {back - dead:.1f} s after the kill, 2 s of which it was left dead; the ward hung up {time.monotonic() - back:.1f} s later at most")
    stage.wait("the ward's line is free", 10, lambda: city.metrics().get(line, 0) == 0)
    proof.check(True, f"{WARD[0]}: no place is taken")
    seen.stop()
    agent.end()
    proof.check(True, f"`toritsugi verify`: {' '.join(city.verify().splitlines())}")
    return proof.close()


def callback(stage, city, first_key, second_key, check_quiet):
    """A resident books a callback while no nurse is free, is called when one is, presses 1, and they talk."""
    proof = Proof("callback: a resident is called back and must press 1")
    nurse = Baresip(stage, "yuki", sip=6500, rtp=6700, control=6600, says_hz=AGENT_HZ, server=city.server, password=city.passwords["yuki"])
    stage.wait("yuki registers", 15, nurse.registered)
    nurse.command("dial", f"sip:*2@{city.server}")
    stage.wait("yuki is on a break", 15, lambda: city.metrics().get('toritsugi_agents{state="not_ready"}') == 1)
    stage.wait("the star code's call is over", 20, lambda: "terminated" in nurse.log())
    resident = Baresip(stage, RESIDENT, sip=7160, rtp=7200, control=7170, says_hz=CALLER_HZ, auto_answer=False)
    resident.command("dial", f"sip:{NUMBER}@{city.server}")
    stage.wait("the engine answers", 10, lambda: "Call established" in resident.log())
    time.sleep(first_key)
    resident.command("sndcode", "1")
    time.sleep(second_key)
    resident.command("sndcode", "1")
    # Two questions before a nurse: breathing is easy, and there is a fever.
    for key in ("2", "1"):
        time.sleep(second_key)
        resident.command("sndcode", key)
    stage.wait("the resident waits for a nurse", 20, lambda: city.metrics().get('toritsugi_queue_depth_callers{queue="nurse"}') == 1)
    time.sleep(63)
    resident.command("sndcode", "1")
    time.sleep(12)
    resident.command("sndcode", "1")
    stage.wait("the callback is booked and the call is over", 40, lambda: "terminated" in resident.log())
    stage.wait("the call is filed", 10, city.calls)
    proof.check(city.calls()[-1]["end"] == "callback_booked", f"the call ended as {city.calls()[-1]['end']}")
    resident.end()

    seen = wire.Wire(rtp_ports=[6900], sip_port=city.sip)
    person = sipp(stage, "person", "person.xml", TRUNK, 6900, city.server, "-set", "key", 9000, "-aa", "-m", 1, folder=say(stage, "person", PERSON_HZ))
    nurse.command("dial", f"sip:*1@{city.server}")
    stage.wait("the resident is called", 40, lambda: at_once(seen, TRUNK)[1] == 1)
    stage.wait("nurse and resident talk", 40, lambda: city.metrics().get('toritsugi_callback_attempts_total{result="confirmed"}') == 1)
    time.sleep(8)
    nurse.command("hangup")
    person.wait(20)
    check_quiet(stage, city, proof)
    seen.stop()
    nurse.end()
    samples = nurse.heard()
    longest = sound.Heard(samples).longest(PERSON_HZ)
    proof.check(longest >= 5, f"yuki heard the resident's {PERSON_HZ} Hz for {longest:.1f} s unbroken")
    longest = sound.Heard(seen.audio(6900)).longest(AGENT_HZ)
    proof.check(longest >= 5, f"the resident heard yuki's {AGENT_HZ} Hz for {longest:.1f} s unbroken")
    number = any(RESIDENT.encode() in file.read_bytes() for file in (city.state / "journal").glob("*") if file.is_file())
    proof.check(not number, "the resident's number stands nowhere in the journal in clear")
    return proof.close()
