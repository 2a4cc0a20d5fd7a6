"""Proofs that other people's phones can call, wait, talk and leave nothing behind. Run by ./run, inside its own network namespace.

    prove.py BINARY TREE [PROOF..]      PROOF: keys, phones, silence, hold, tcp, tls, wss, edge, carrier, linphone, torture, manager,
                                        wards, killed, callback, crowd, watch, spans, board, api
"""

import pathlib
import sys
import time
import traceback
from collections import Counter

import api
import carrier
import cost
import edge
import linphone
import outside
import secure
import sound
import tell
import torture
import wall
import watch
import wire
from engine import NUMBER, WRAP_UP, Engine
from manager import managed
from outside import WARD_CALLERS
from phones import HOST, Baresip, sipp
from stage import Failed, Proof, Stage

# The first sentence cannot be interrupted: the first key waits until the language menu speaks, the second until the main menu does.
FIRST_KEY, SECOND_KEY = 12.0, 4.0
KEN = {"ken": None}
NURSES = "21"  # the code of their queue
CROWD, CROWD_AGENTS, CROWD_TALK = 50, 10, 10.0


def ken_registers(stage, city, proof, transport="udp"):
    """An agent's baresip that says 440 Hz, registered by digest."""
    password = city.passwords["ken"]
    ken = Baresip(stage, "ken", sip=6060, rtp=6100, control=6070, says_hz=440, server=city.server, password=password, transport=transport)
    stage.wait("ken's baresip registers", 15, ken.registered)
    proof.check(True, "ken's baresip registered with a digest password")
    return ken


def check_tone(proof, who, samples, hz, least):
    """`who` heard `hz`, pure, for at least `least` seconds without a break."""
    heard = sound.Heard(samples)
    seconds, mean, share = heard.of(hz)
    text = f"{who} heard {hz} Hz for {heard.longest(hz):.1f} s unbroken (measured {mean:.1f} Hz, {share:.1%} of the power, {heard.seconds:.1f} s in all)"
    proof.check(seconds > 0 and heard.longest(hz) >= least, text)
    proof.measure(f"{who}: {heard.story()}")


# media::Tones: the beep before a voice. Speech has no tone so pure for so long; ours is 120 ms with soft edges.
BEEP_HZ, BEEP_MS, BEEP_LEAST = 1400, 120, 0.05
# Music and other sentences come to 0.2, a whisper beneath them to 0.5 and more.
ALIKE = 0.35


def check_whisper(proof, agent, caller, hz, says_hz):
    """The agent heard speech, one beep, and only then the caller's `hz`; the caller, until the agent's `says_hz`, heard neither of them."""
    beeps, voices = sound.runs(agent, BEEP_HZ, BEEP_LEAST), sound.runs(agent, hz, 0.2)
    if len(beeps) != 1 or not voices:
        return proof.check(False, f"the agent heard {len(beeps)} beeps of {BEEP_HZ} Hz and {len(voices)} stretches of the caller's {hz} Hz")
    (start, end), voice = beeps[0], voices[0][0]
    frames = [sound.goertzel(agent[at : at + sound.FRAME], BEEP_HZ) for at in range(0, start - sound.FRAME, sound.FRAME)]
    spoken = sum(level > sound.QUIET_DB for _, level in frames) * sound.FRAME / sound.RATE
    pure = [share for _, share, level in sound.Heard(agent[:start]).windows if level > sound.QUIET_DB]
    purest = sorted(pure)[len(pure) // 2] if pure else 1.0
    measured, length, gap = sound.loudest_hz(agent[start:end], BEEP_HZ - 60, BEEP_HZ + 60), (end - start) * 1000 // sound.RATE, (voice - end) * 1000 // sound.RATE
    holds = spoken >= 0.5 and purest < 0.9 and abs(measured - BEEP_HZ) <= 5 and abs(length - BEEP_MS) <= 20 and gap >= 0
    proof.check(
        holds,
        f"the agent heard speech for {spoken:.2f} s (the strongest tone has {purest:.0%} of it), one beep at {start / sound.RATE:.3f} s of {measured} Hz for {length} ms, "
        f"and the caller's {hz} Hz {gap} ms after it",
    )
    # What the caller heard while the agent was told: from a little earlier until the agent's tone.
    joined = (sound.runs(caller, says_hz, 0.2) or [(len(caller), 0)])[0][0]
    heard = caller[max(joined - start - 2 * sound.RATE, 0) : joined]
    loudest = max(range(0, max(start - sound.RATE, 1), 400), key=lambda at: sum(map(abs, agent[at : at + sound.RATE])))
    excerpt = agent[loudest : loudest + sound.RATE]
    like = sound.likeness(excerpt, heard)
    # The same measure sees a whisper that is as loud in the caller's ear as in the agent's.
    leak = sound.likeness(excerpt, heard[: sound.RATE] + [a + b for a, b in zip(heard[sound.RATE :], excerpt)])
    beeps = sound.runs(caller, BEEP_HZ, BEEP_LEAST)
    proof.check(
        not beeps and like < ALIKE < leak,
        f"the caller heard {len(beeps)} beeps and nothing like the whisper (likeness {like:.2f}; with the whisper in it, {leak:.2f})",
    )


def check_elsewhere(proof, seen, second, exit_status):
    """The phone that was not picked up was told why it stops ringing, in the words of RFC 3326."""
    cancels = [wire.header(text, "reason") for _, _, target, text in seen.sip if target == second and text.startswith("CANCEL ")]
    others = sum(text.startswith("CANCEL ") and target != second for _, _, target, text in seen.sip)
    holds = cancels and set(cancels) == {'SIP;cause=200;text="Call completed elsewhere"'} and not others
    proof.check(holds, f"ken's second phone (SIPp) got CANCEL with Reason: {', '.join(cancels) or 'none'}")
    proof.check(exit_status == 0, f"and ended as its scenario says (exit {exit_status})")


def check_quiet(stage, city, proof):
    try:
        census = stage.wait("nothing is left of the calls", 45, city.quiet)
        proof.check(True, f"nothing is left: {' '.join(f'{of}={n}' for of, n in census.items())}")
    except Failed:
        proof.check(False, f"something is left after 45 s: {city.census()}")


def check_path(proof, city):
    """Each key counted once, where it was pressed, although sound went on beneath it."""
    path = city.calls()[-1]["path"]
    proof.check([step for step in path if "=" in step and step[-1].isdigit()] == ["language=1", "main=0"], f"the call's way: {' > '.join(path)}")


def keys(stage, city):
    """A SIPp caller presses 1 and 0, and talks with ken, whose phone is a baresip."""
    proof = Proof("keys: SIPp calls, presses its way to a queue, and talks with a baresip")
    ken = ken_registers(stage, city, proof)
    (stage.folder / "say.ulaw").write_bytes(sound.to_mu(sound.tone(1000, 4)))
    seen = wire.Wire(rtp_ports=[7000], sip_port=city.sip)
    caller = sipp(
        stage, "keys-caller", "caller.xml", 7060, 7000, city.server, "-s", NUMBER, "-m", 1, "-aa", "-d", 15000,
        "-set", "first", int(FIRST_KEY * 1000), "-set", "second", int(SECOND_KEY * 1000), "-set", "stays", 0,
    )
    proof.check(caller.wait(90) == 0, f"SIPp's call went as its scenario says (exit {caller.returncode})")
    check_quiet(stage, city, proof)
    seen.stop()
    ken.end()
    check_tone(proof, "ken (baresip's recording)", ken.heard(), 1000, 5)
    check_tone(proof, "the caller (RTP at SIPp's port)", seen.audio(7000), 440, 5)
    check_path(proof, city)
    return proof.close()


def phones(stage, city):
    """A baresip caller presses keys by baresip's own `sndcode`, and talks with a baresip, while the agent's other phone, a SIPp, rings."""
    proof = Proof("phones: baresip calls, presses its way to a queue, and talks with a baresip; the agent's other phone is told so")
    ken = ken_registers(stage, city, proof)
    of_ken = [6260, 6460, city.server, "-s", "ken", "-m", 1]
    register = sipp(stage, "register-second", "register.xml", *of_ken, "-au", "ken", "-ap", city.passwords["ken"])
    proof.check(register.wait(15) == 0, f"ken's second phone, a SIPp, registered beside it (exit {register.returncode})")
    second = sipp(stage, "second", "second.xml", *of_ken)
    seen = wire.Wire(sip_port=city.sip)
    caller = Baresip(stage, "resident", sip=7160, rtp=7200, control=7170, says_hz=1000, auto_answer=False)
    caller.command("dial", f"sip:{NUMBER}@{city.server}")
    stage.wait("the engine answers", 10, lambda: "Call established" in caller.log())
    time.sleep(FIRST_KEY)
    caller.command("sndcode", "1")
    time.sleep(SECOND_KEY)
    caller.command("sndcode", "0")
    stage.wait("ken's phone is called and answers", 20, lambda: "Call established" in ken.log())
    time.sleep(8)
    caller.command("hangup")
    check_quiet(stage, city, proof)
    proof.check("terminated" in ken.log(), "ken's phone was hung up when the caller hung up")
    seen.stop()
    check_elsewhere(proof, seen, 6260, stage.end(second))
    for phone in (caller, ken):
        phone.end()
    check_tone(proof, "ken (baresip's recording)", ken.heard(), 1000, 5)
    check_tone(proof, "the caller (baresip's recording)", caller.heard(), 440, 5)
    check_whisper(proof, ken.heard(), caller.heard(), 1000, 440)
    check_path(proof, city)
    return proof.close()


def silence(stage, city):
    """A baresip caller who presses nothing at all still reaches ken."""
    proof = Proof("silence: a caller who presses nothing reaches a person")
    ken = ken_registers(stage, city, proof)
    caller = Baresip(stage, "silent", sip=7360, rtp=7400, control=7370, says_hz=1000, auto_answer=False)
    caller.command("dial", f"sip:{NUMBER}@{city.server}")
    stage.wait("the engine answers", 10, lambda: "Call established" in caller.log())
    since = time.monotonic()
    stage.wait("ken's phone is called and answers", 100, lambda: "Call established" in ken.log())
    waited = time.monotonic() - since
    proof.check(waited <= 75 + 5, f"{waited:.0f} s from our answer to a person (the city's budget for silence is 75 s)")
    time.sleep(8)
    ken.command("hangup")
    check_quiet(stage, city, proof)
    proof.check("terminated" in caller.log(), "the caller's phone was hung up when ken hung up")
    for phone in (caller, ken):
        phone.end()
    check_tone(proof, "ken (baresip's recording)", ken.heard(), 1000, 5)
    check_tone(proof, "the caller (baresip's recording)", caller.heard(), 440, 5)
    return proof.close()


def hold(stage, city):
    """A baresip agent holds a baresip caller, comes back, and sends them on to another agent by the phone's own transfer key."""
    proof = Proof("hold: a baresip agent holds a baresip caller, comes back, and transfers them by REFER to a third baresip")
    ken = ken_registers(stage, city, proof)
    yuki = Baresip(stage, "yuki", sip=6560, rtp=6600, control=6570, says_hz=620, server=city.server, password=city.passwords["yuki"])
    stage.wait("yuki's baresip registers", 15, yuki.registered)
    seen = wire.Wire(sip_port=city.sip)
    caller = Baresip(stage, "resident", sip=7160, rtp=7200, control=7170, says_hz=1000, auto_answer=False)
    caller.command("dial", f"sip:{NUMBER}@{city.server}")
    stage.wait("the engine answers", 10, lambda: "Call established" in caller.log())
    time.sleep(FIRST_KEY)
    caller.command("sndcode", "1")
    time.sleep(SECOND_KEY)
    caller.command("sndcode", "0")
    stage.wait("ken's phone is called and answers", 20, lambda: "Call established" in ken.log())
    for command in ("hold", "resume"):
        time.sleep(6)
        ken.command(command)
    time.sleep(6)
    ken.command("transfer", f"sip:{NURSES}@{city.server}")
    stage.wait("yuki's phone is called and answers", 20, lambda: "Call established" in yuki.log())
    proof.check("terminated" in ken.log(), "ken's phone was hung up when the engine had taken the caller")
    time.sleep(8)
    caller.command("hangup")
    check_quiet(stage, city, proof)
    seen.stop()
    for phone in (caller, ken, yuki):
        phone.end()
    said = [text for _, source, _, text in seen.sip if source == city.sip and text.startswith("NOTIFY ")]
    proof.check(len(said) == 2 and "SIP/2.0 200 OK" in said[-1], f"ken's phone got {len(said)} NOTIFYs, the last of them 200")
    check_held(proof, caller.heard(), 440)
    check_tone(proof, "the caller (baresip's recording)", caller.heard(), 620, 5)
    check_tone(proof, "yuki (baresip's recording)", yuki.heard(), 1000, 5)
    return proof.close()


def check_held(proof, samples, hz):
    """Between two stretches of the agent's `hz` the caller heard music: something, and nothing but what the agent said."""
    talks = sound.runs(samples, hz, 3)
    if len(talks) < 2:
        return proof.check(False, f"the caller heard the agent in {len(talks)} stretches, not in two with a hold between them")
    start, end = talks[0][1], talks[1][0]
    windows = [level > -50 for _, _, level in sound.Heard(samples[start:end]).windows]
    share, length = sum(windows) / max(len(windows), 1), (end - start) / sound.RATE
    proof.check(length >= 5 and share > 0.8, f"held for {length:.1f} s, the caller heard something in {share:.0%} of it")


def tcp(stage, city):
    """Over TCP from end to end: a SIPp caller reaches ken, whose baresip is called over the connection that it registered on."""
    proof = Proof("tcp: SIPp calls over TCP, presses its way to a queue, and talks with a baresip that registered over TCP")
    ken = ken_registers(stage, city, proof, transport="tcp")
    (stage.folder / "say.ulaw").write_bytes(sound.to_mu(sound.tone(1000, 4)))
    seen = wire.Wire(rtp_ports=[7000], sip_port=city.sip)
    caller = sipp(
        stage, "tcp-caller", "caller.xml", 7060, 7000, city.server, "-s", NUMBER, "-m", 1, "-aa", "-d", 15000, "-t", "t1",
        "-set", "first", int(FIRST_KEY * 1000), "-set", "second", int(SECOND_KEY * 1000), "-set", "stays", 0,
    )
    proof.check(caller.wait(90) == 0, f"SIPp's call went as its scenario says (exit {caller.returncode})")
    check_quiet(stage, city, proof)
    seen.stop()
    proof.check(not seen.sip, f"{len(seen.sip)} SIP messages went by UDP")
    said = (stage.folder / "tcp-caller.messages").read_text(errors="replace")
    proof.check(";transport=tcp>" in said, "the engine's Contact says transport=tcp")
    ken.end()
    check_tone(proof, "ken (baresip's recording)", ken.heard(), 1000, 5)
    check_tone(proof, "the caller (RTP at SIPp's port)", seen.audio(7000), 440, 5)
    check_path(proof, city)
    return proof.close()


def crowd(stage, city):
    """Fifty SIPp callers, ten SIPp agents: forty wait with music, all are served in order, nothing is left."""
    proof = Proof(f"crowd: {CROWD} SIPp callers, {CROWD_AGENTS} SIPp agents, {CROWD - CROWD_AGENTS} wait")
    tones = [500 + 100 * i for i in range(CROWD_AGENTS)]
    agents = []
    for i, hz in enumerate(tones):
        name, port, folder = f"a{i + 1:02}", 6200 + 2 * i, stage.folder / f"sipp-a{i + 1:02}"
        folder.mkdir()
        (folder / "say.ulaw").write_bytes(sound.to_mu(sound.tone(hz, 1)))
        register = sipp(stage, f"register-{name}", "register.xml", port, 6400 + 4 * i, city.server, "-s", name, "-au", name, "-ap", city.passwords[name], "-m", 1)
        if register.wait(15) != 0:
            proof.check(False, f"{name} could not register (exit {register.returncode})")
            continue
        agents.append(sipp(stage, f"agent-{name}", "agent.xml", port, 6400 + 4 * i, city.server, "-s", name, "-d", int(CROWD_TALK * 1000), "-aa", folder=folder))
    proof.check(len(agents) == CROWD_AGENTS, f"{len(agents)} SIPp agents registered with digest passwords")
    (stage.folder / "say.ulaw").write_bytes(sound.to_mu(sound.tone(1900, 4)))
    seen = wire.Wire(rtp_ports=[7500], sip_port=city.sip)
    callers = sipp(
        stage, "crowd-callers", "caller.xml", 7560, 7500, city.server, "-s", NUMBER, "-m", CROWD, "-l", CROWD, "-r", 10, "-aa",
        "-set", "first", int(FIRST_KEY * 1000), "-set", "second", int(SECOND_KEY * 1000), "-set", "stays", 1,
    )
    waiting, until = 0, time.monotonic() + 300
    while callers.poll() is None and time.monotonic() < until:
        waiting = max(waiting, int(city.metrics().get('toritsugi_queue_depth_callers{queue="general"}', 0)))
        time.sleep(0.5)
    proof.check(callers.poll() == 0, f"every caller was answered by an agent and hung up on by nobody else (SIPp's exit {callers.poll()})")
    proof.check(waiting >= CROWD - CROWD_AGENTS, f"up to {waiting} callers waited at once")
    check_quiet(stage, city, proof)
    seen.stop()
    for agent in agents:
        stage.end(agent)
    check_order(proof, seen, city)
    measure_freed(proof, seen, city)
    check_ears(proof, seen, tones)
    check_records(proof, city)
    return proof.close()


def check_order(proof, seen, city):
    """Nobody was overtaken, as the wire shows it: each caller talks equally long, so they are hung up on in the order they were served."""
    came, went, talked = {}, {}, Counter()
    for when, source, target, text in seen.sip:
        call = wire.header(text, "call-id")
        if text.startswith("INVITE ") and target == city.sip:
            came.setdefault(call, when)
        if text.startswith("BYE ") and source == city.sip and call in came:
            went.setdefault(call, when)
        if text.startswith("ACK ") and source == city.sip:
            talked[wire.user(wire.header(text, "to"))] += 1
    proof.check(len(went) == CROWD, f"{len(went)} of {len(came)} callers talked with an agent")
    order = sorted(went, key=came.__getitem__)
    # Callers come 100 ms apart; a phone that answers a little later than its neighbour is no injustice.
    overtaken = sum(any(went[later] < went[call] - 0.1 for later in order[at + 1 :]) for at, call in enumerate(order))
    proof.check(overtaken == 0, f"{overtaken} callers were overtaken by one who came later")
    proof.measure(f"calls per agent: {' '.join(f'{agent}={n}' for agent, n in sorted(talked.items()))}")


def measure_freed(proof, seen, city):
    """How soon a waiting caller's INVITE leaves for an agent who is free again, as the wire shows it: after the BYE and the after-call work."""
    went, gaps = {}, []
    for when, source, target, text in seen.sip:
        if text.startswith("BYE ") and target == city.sip:
            went[source] = when
        if text.startswith("INVITE ") and source == city.sip and target in went:
            gaps.append((when - went.pop(target) - WRAP_UP) * 1000)
    if gaps:
        gaps.sort()
        load = pathlib.Path("/proc/loadavg").read_text().split()[0]
        proof.measure(f"from an agent's becoming free to the INVITE on the wire: median {gaps[len(gaps) // 2]:.1f} ms, worst {gaps[-1]:.1f} ms of {len(gaps)}, journal and all (load {load})")


def check_ears(proof, seen, tones):
    """Each caller heard sound until an agent's tone, and that of one agent only."""
    streams = {}
    for when, source, data in seen.rtp.get(7500, []):
        if len(data) > 12 and data[1] & 0x7F == 0:
            streams.setdefault(source, []).append((when, data[12:]))
    # Streams that began while SIPp's own keys flew are told apart by their length: a caller's lasts as long as the call.
    streams = {source: packets for source, packets in streams.items() if len(packets) > 200}
    proof.check(len(streams) == CROWD, f"{len(streams)} streams of sound reached the callers")
    gaps, heard, quiet = [], Counter(), 0
    for packets in streams.values():
        bridged = packets[-int((CROWD_TALK - 3) * 50) :]
        waited = packets[int((FIRST_KEY + SECOND_KEY + 1) * 50) : -int((CROWD_TALK + 2) * 50)]
        gaps += [later[0] - earlier[0] for earlier, later in zip(packets[-int((CROWD_TALK - 1) * 50) :], packets[-int((CROWD_TALK - 1) * 50) + 1 :])]
        last = [s for _, payload in bridged for s in sound.from_g711(0, payload)]
        voices = {hz for hz in tones for f, share, _ in sound.Heard(last[: 8 * sound.WINDOW]).windows if abs(f - hz) < 6 and share > 0.9}
        heard[tuple(sorted(voices))] += 1
        music = [s for _, payload in waited[-100:] for s in sound.from_g711(0, payload)]
        quiet += bool(music) and max(map(abs, music)) < 100
    strangers = {voices: n for voices, n in heard.items() if len(voices) != 1}
    proof.check(not strangers, f"each caller heard the tone of exactly one agent{'' if not strangers else f', but: {strangers}'}")
    proof.check(not quiet, f"{quiet} callers waited in silence")
    if gaps:
        proof.measure(f"while talking, the longest gap between two packets was {max(gaps) * 1000:.0f} ms")


def check_records(proof, city):
    """What the engine itself tells of its calls agrees with what the wire showed, and its journal is whole."""
    calls = city.calls()
    ends = Counter(call["end"] for call in calls)
    proof.check(ends == {"served": CROWD}, f"`toritsugi calls` lists {' '.join(f'{end}={n}' for end, n in ends.items())}")
    enders = Counter(call["hung_up_by"] for call in calls)
    proof.check(enders == {"agent": CROWD}, f"and that they were hung up by {' '.join(f'{who}={n}' for who, n in enders.items())} (the agents did)")
    waits = sorted(call["waited"] / 1000 for call in calls if call["waited"] is not None)
    if waits:
        proof.measure(f"waited: median {waits[len(waits) // 2]:.1f} s, longest {waits[-1]:.1f} s")
    proof.check(True, f"`toritsugi verify`: {' '.join(city.verify().splitlines())}")


def wards(stage, city):
    return outside.wards(stage, city, FIRST_KEY, SECOND_KEY, check_quiet)


def killed(stage, city):
    return outside.killed(stage, city, FIRST_KEY, SECOND_KEY)


def tortured(stage, city):
    return torture.torture(stage, city, check_quiet, NUMBER)


def costs(stage, city):
    return cost.cost(stage, city, NUMBER)


def compared(stage, city):
    return cost.against(stage, city, NUMBER)


def called_back(stage, city):
    return outside.callback(stage, city, FIRST_KEY, SECOND_KEY, check_quiet)


def sizes(stage, city):
    return cost.size(stage, city, NUMBER)


def storm(stage, city):
    return cost.storm(stage, city, NUMBER)


def behind_edge(stage, city):
    return edge.edge(stage, city, FIRST_KEY, SECOND_KEY, check_tone, check_quiet, check_path, NUMBER)


def over_tls(stage, city):
    return secure.tls(stage, city, FIRST_KEY, SECOND_KEY, check_tone, check_quiet, check_path, NUMBER)


def over_carrier(stage, city):
    return carrier.carrier(stage, city, FIRST_KEY, SECOND_KEY, check_quiet, NUMBER)


def over_wss(stage, city):
    return secure.wss(stage, city, FIRST_KEY, SECOND_KEY, check_quiet, NUMBER)


def watched(stage, city):
    return watch.watch(stage, city, city.tree, FIRST_KEY, SECOND_KEY, NUMBER)


def told(stage, city):
    return tell.told(stage, city, ken_registers, FIRST_KEY, SECOND_KEY, NUMBER, check_quiet)


def linphoned(stage, city):
    ken = ken_registers(stage, city, Proof("linphone: an agent's baresip"))
    return linphone.resident(stage, city, ken, FIRST_KEY, SECOND_KEY, check_tone, check_quiet)


def consulted(stage, city):
    return linphone.agent(stage, city, FIRST_KEY, SECOND_KEY, check_tone, check_quiet)


PROOFS = {"keys": (keys, KEN), "phones": (phones, KEN), "silence": (silence, KEN), "hold": (hold, KEN | {"yuki": None}), "tcp": (tcp, KEN), "torture": (tortured, {})}
PROOFS["tls"] = (over_tls, KEN)
PROOFS["wss"] = (over_wss, KEN)
# Those whose engine has a certificate.
SECURE = ("tls", "wss")
PROOFS["carrier"] = (over_carrier, {"w1": "{ general: 3, ja: 5 }"})
PROOFS["edge"] = (behind_edge, KEN)
PROOFS["linphone"] = (linphoned, KEN)
PROOFS["consult"] = (consulted, {"w1": "{ general: 3, ja: 5 }"})
PROOFS["manager"] = (managed, {})
PROOFS["wards"] = (wards, {f"w{i}": "{ general: 3, ja: 5 }" for i in range(1, WARD_CALLERS + 1)})
PROOFS["killed"] = (killed, {"w1": "{ general: 3, ja: 5 }"})
PROOFS["callback"] = (called_back, {"yuki": None})
PROOFS["board"] = (wall.wall, KEN)
PROOFS["watch"] = (watched, watch.AGENTS)
PROOFS["spans"] = (told, KEN)
PROOFS["api"] = (api.fuzzed, {})
PROOFS["crowd"] = (crowd, {f"a{i + 1:02}": "{ general: 3, ja: 5 }" for i in range(CROWD_AGENTS)})

# They measure a machine that does nothing else, and are run by their names.
MEASURES = {"cost": (costs, {}), "against": (compared, {}), "size": (sizes, {}), "storm": (storm, {})}


def main(binary, tree, wanted):
    top, passed, began = Stage(), 0, time.monotonic()
    wanted = wanted or list(PROOFS)
    for name in wanted:
        prove, agents = (PROOFS | MEASURES)[name]
        stage = Stage(top.folder / name)
        try:
            settings = (dict.fromkeys(SECURE, secure.SETTINGS) | {"storm": cost.SETTINGS, "size": cost.ROOM, "watch": watch.SETTINGS}).get(name, "")
            if name in SECURE:
                secure.certificate(stage, stage.folder / "state", 30)
            lines = None
            if name == "carrier":
                carrier.prepare(stage, stage.folder / "state")
                settings, lines = carrier.SETTINGS, carrier.LINES
            where = {}
            if name == "edge":
                lines, where = edge.lines(tree), {"host": edge.FIRST, "sip": edge.FIRST_SIP}
            city = Engine(stage, binary, tree, agents, settings=settings, lines=lines, own_flows=name == "watch", **where)
            passed += prove(stage, city)
            status = city.end()
            if status != 0:
                print(f"    note the engine ended with {status} when it was asked to stop", flush=True)
        except Failed as why:
            print(f"FAIL {name}: {why}", flush=True)
        except Exception:  # a fault of the proof itself: the others of this lane are still made
            print(f"FAIL {name}: {traceback.format_exc()}", flush=True)
        finally:
            stage.close()
    failed = len(wanted) - passed
    print(f"\ninterop: {passed} passed, {failed} failed, {time.monotonic() - began:.0f} s", flush=True)
    if failed:
        print(f"logs: {top.folder}", flush=True)
        return 1
    top.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), sys.argv[3:]))
