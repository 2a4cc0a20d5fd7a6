"""Linphone as a resident's phone, which presses keys, talks, pauses the call and goes on; and as an agent's, which puts two of its calls together.

Debian's linphonec, which does nothing unless its database can be opened (a folder below HOME), wants an address that is not loopback with a
default route, and reads its orders line by line.
"""

import os
import subprocess
import time

import sound
import wire
from engine import NUMBER
from outside import AGENT_HZ, CALLER_HZ, TRUNK, WARD, WARD_HZ, say
from phones import HOST, Baresip, sipp
from stage import Proof

ADDRESS = "10.77.0.7"  # on the loopback of the proof's own namespace
PAUSE = 3.0  # seconds
CONFIG = """\
[sip]
sip_port={sip}
sip_tcp_port=0
sip_tls_port=0
register_only_when_network_is_up=0
media_encryption=none
[rtp]
audio_rtp_port={rtp}
[net]
mtu=1300
[video]
enabled=0
capture=0
display=0
[sound]
echocancellation=0
[misc]
log_collection_upload_server_url=
{codecs}"""
CODEC = """\
[audio_codec_{at}]
mime={mime}
rate={rate}
channels={channels}
enabled={enabled}
"""
CODECS = [("opus", 48000, 2, 0), ("speex", 16000, 1, 0), ("speex", 8000, 1, 0), ("PCMU", 8000, 1, 1), ("PCMA", 8000, 1, 1)]


class Linphone:
    def __init__(self, stage, sip, rtp, says_hz, seconds=120):
        self.stage = stage
        self.home = stage.folder / "linphone"
        (self.home / ".local" / "share" / "linphone").mkdir(parents=True)
        self.says, self.hears = self.home / "says.wav", self.home / "hears.wav"
        sound.write_wav(self.says, sound.tone(says_hz, seconds))
        codecs = "".join(CODEC.format(at=at, mime=m, rate=r, channels=c, enabled=e) for at, (m, r, c, e) in enumerate(CODECS))
        (self.home / "rc").write_text(CONFIG.format(sip=sip, rtp=rtp, codecs=codecs))
        for words in (["addr", "replace", f"{ADDRESS}/32", "dev", "lo"], ["route", "replace", "default", "dev", "lo"]):
            subprocess.run(["ip"] + words, check=True)
        argv = ["linphonec", "-c", self.home / "rc"]
        self.process = stage.start("linphone", argv, cwd=self.home, env=os.environ | {"HOME": str(self.home)}, stdin=subprocess.PIPE)
        for order in ("soundcard use files", f"play {self.says}", f"record {self.hears}"):
            self.order(order)

    def order(self, line):
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def log(self):
        return self.stage.log("linphone")

    def end(self):
        self.order("quit")
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        self.stage.end(self.process)


def resident(stage, city, ken, first_key, second_key, check_tone, check_quiet):
    """Linphone calls, presses 1 and 0, talks with ken's baresip, pauses, goes on and hangs up."""
    proof = Proof("linphone: Linphone calls, presses its way to a queue, talks with a baresip, pauses and goes on")
    phone = Linphone(stage, 7560, 7600, 1000)
    phone.order(f"call sip:{NUMBER}@{HOST}:{city.sip}")
    stage.wait("the engine answers Linphone", 15, lambda: "connected" in phone.log().lower())
    time.sleep(first_key)
    phone.order("1")
    time.sleep(second_key)
    phone.order("0")
    stage.wait("ken's phone is called and answers", 25, lambda: "Call established" in ken.log())
    time.sleep(7)
    phone.order("pause")
    time.sleep(PAUSE)
    phone.order("resume")
    time.sleep(6)
    phone.order("terminate")
    check_quiet(stage, city, proof)
    phone.end()
    ken.end()
    path = city.calls()[-1]["path"]
    keys = [step for step in path if "=" in step and step[-1].isdigit()]
    proof.check(keys == ["language=1", "main=0"], f"the call's way: {' > '.join(path)}")
    check_tone(proof, "ken (baresip's recording)", ken.heard(), 1000, 5)
    check_tone(proof, "Linphone (its recording)", sound.read_wav(phone.hears), 440, 5)
    voices = sound.runs(sound.read_wav(phone.hears), 440, 2.0)
    proof.check(len(voices) >= 2, f"Linphone heard ken before the pause and after it: {len(voices)} stretches of 440 Hz")
    return proof.close()


def agent(stage, city, first_key, second_key, check_tone, check_quiet):
    """Three phones of three makers: an agent's Linphone holds a resident's baresip, asks a ward's SIPp, and puts the two together by REFER with Replaces."""
    proof = Proof("consult: an agent's Linphone talks with a baresip, calls a ward (SIPp) beside it, and puts the two together")
    phone = Linphone(stage, 7560, 7600, AGENT_HZ)
    phone.order(f"register sip:w1@{city.server} sip:{city.server} {city.passwords['w1']}")
    stage.wait("w1's Linphone registers", 20, lambda: city.metrics().get('toritsugi_agents{state="idle"}') == 1)
    ward = sipp(stage, "ward", "person.xml", TRUNK, 6900, city.server, "-set", "key", 3000, "-aa", "-m", 1, folder=say(stage, "ward", WARD_HZ))
    seen = wire.Wire(rtp_ports=[6900], sip_port=city.sip)
    caller = Baresip(stage, "resident", sip=7160, rtp=7200, control=7170, says_hz=CALLER_HZ, auto_answer=False)
    caller.command("dial", f"sip:{NUMBER}@{city.server}")
    stage.wait("the engine answers", 10, lambda: "Call established" in caller.log())
    time.sleep(first_key)
    caller.command("sndcode", "1")
    time.sleep(second_key)
    caller.command("sndcode", "0")
    stage.wait("Linphone rings", 25, lambda: "incoming" in phone.log().lower())
    phone.order("answer")
    talking = 'toritsugi_agents{state="talking"}'
    stage.wait("agent and resident talk", 15, lambda: city.metrics().get(talking) == 1)
    time.sleep(9)
    phone.order("pause")  # one call at a time is what its user hears
    time.sleep(PAUSE)
    phone.order(f"call sip:{WARD[1]}@{city.server}")
    stage.wait("the ward answers", 20, lambda: any(target == TRUNK and text.startswith("ACK ") for _, _, target, text in seen.sip))
    time.sleep(10)  # the ward has been told who calls and has pressed 1 by then
    phone.order("transfer 1 --to-call 2")
    stage.wait("the agent has nothing to do with it any more", 20, lambda: city.metrics().get(talking, 0) == 0)
    time.sleep(9)
    caller.command("hangup")
    proof.check(ward.wait(15) == 0, f"the ward was hung up when the resident went (SIPp's exit {ward.returncode})")
    check_quiet(stage, city, proof)
    seen.stop()
    for one in (phone, caller):
        one.end()
    refers = [text for _, _, _, text in seen.sip if text.startswith("REFER ")]
    proof.check(len(refers) == 1 and "Replaces" in refers[0], f"{len(refers)} REFER came, and it names the other call by Replaces")
    invited = {wire.header(text, "call-id") for _, _, target, text in seen.sip if target == TRUNK and text.startswith("INVITE ")}
    proof.check(len(invited) == 1, f"the ward's telephone was called {len(invited)} time")
    check_tone(proof, "the resident (baresip's recording), the agent", caller.heard(), AGENT_HZ, 5)
    check_tone(proof, "the resident (baresip's recording), then the ward", caller.heard(), WARD_HZ, 5)
    at_ward = sound.Heard(seen.audio(6900))
    for who, hz in (("the agent", AGENT_HZ), ("the resident", CALLER_HZ)):
        longest = at_ward.longest(hz)
        proof.check(longest >= 5, f"the ward heard {who}'s {hz} Hz for {longest:.1f} s unbroken")
    record = city.calls()[-1]
    proof.check((record["end"], record["transferred_to"]) == ("served", WARD[0]), f"`toritsugi calls`: {record['end']}, put through to {record['transferred_to']}")
    return proof.close()
