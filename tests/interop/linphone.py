"""Linphone as a resident's phone: it presses keys, talks, pauses the call and goes on, and records what it hears.

Debian's linphonec, which does nothing unless its database can be opened (a folder below HOME), wants an address that is not loopback with a
default route, and reads its orders line by line.
"""

import os
import subprocess
import time

import sound
from engine import NUMBER
from phones import HOST
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
        for words in (["addr", "add", f"{ADDRESS}/32", "dev", "lo"], ["route", "add", "default", "dev", "lo"]):
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
