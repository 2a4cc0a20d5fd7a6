"""Other people's phones, started and steered: SIPp 3.6 and baresip 1.0 as Debian packs them.

Traps that cost somebody time: baresip wants an address as `net_interface` (not `lo`), decodes nothing without an audio player, and
its `aufile` takes only a WAV of exactly the codec's rate. SIPp has one media port for all calls of a process, and its ready-made
key presses all come from one recording: pressed in any order but that of their time stamps, a later key looks like an old one.
"""

import json
import pathlib
import socket
import subprocess

import sound

HERE = pathlib.Path(__file__).resolve().parent
HOST = "127.0.0.1"
BARESIP_CONFIG = """\
poll_method epoll
sip_listen {host}:{sip}
net_interface {host}
call_local_timeout 600
call_max_calls 4
audio_player aubridge,nowhere
audio_source aufile,{says}
audio_alert aubridge,nowhere
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
ausrc_format s16
auplay_format s16
auenc_format s16
audec_format s16
audio_buffer 20-160
rtp_ports {rtp}-{rtp_last}
rtp_stats yes
jitter_buffer_delay 0-0
snd_path {folder}
ctrl_tcp_listen {host}:{control}
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
"""


class Baresip:
    """A baresip that says one tone and records what it hears. Takes the ports `sip`, `sip + 1` (its TLS), and `control`."""

    def __init__(self, stage, name, sip, rtp, control, says_hz, server=None, password=None, register=True, auto_answer=True, seconds=150, transport="udp", trusts=None, outbound=None, certificate=None):
        self.stage, self.name, self.control = stage, name, control
        self.folder = stage.folder / f"baresip-{name}"
        self.folder.mkdir()
        says = self.folder / f"{says_hz}.wav"
        sound.write_wav(says, sound.tone(says_hz, seconds))
        config = BARESIP_CONFIG.format(host=HOST, sip=sip, rtp=rtp, rtp_last=rtp + 20, control=control, says=says, folder=self.folder)
        (self.folder / "config").write_text(config + (f"sip_cafile {trusts}\n" if trusts else "") + (f"sip_certificate {certificate}\n" if certificate else ""))
        at = server or f"{HOST}:{sip}"
        account = f"<sip:{name}@{at};transport={transport}>;audio_codecs=PCMU/8000/1,PCMA/8000/1;regint={3600 if register and server else 0}"
        if password:
            account += f";auth_user={name};auth_pass={password}"
        if outbound:
            account += f';outbound="{outbound}"'
        if auto_answer:
            account += ";answermode=auto"
        (self.folder / "accounts").write_text(account + "\n")
        (self.folder / "contacts").write_text("")
        self.process = stage.start(f"baresip-{name}", ["baresip", "-f", self.folder, "-s"])
        stage.wait(f"baresip {name} opens its control port", 15, self._listens)

    def _listens(self):
        try:
            with socket.create_connection((HOST, self.control), 1):
                return True
        except OSError:
            return False

    def command(self, command, params=""):
        """One command of baresip's, over ctrl_tcp: JSON in a netstring. Returns when it was obeyed."""
        said = json.dumps({"command": command, "params": params, "token": "interop"}).encode()
        with socket.create_connection((HOST, self.control), 5) as connection:
            connection.settimeout(5)
            connection.sendall(b"%d:%s," % (len(said), said))
            heard = b""
            while b'"response":true' not in heard.replace(b" ", b""):  # events may come first
                part = connection.recv(65536)
                if not part:
                    return
                heard += part

    def log(self):
        return self.stage.log(f"baresip-{self.name}")

    def registered(self):
        return "200 OK" in self.log() and " OK (" in self.log()

    def heard(self):
        """What it recorded of the other side, all calls joined."""
        return [s for file in sorted(self.folder.glob("dump-*-dec.wav")) for s in sound.read_wav(file)]

    def end(self):
        """Asks it to quit, so that it finishes its recording; one that is gone or hangs is ended by its id."""
        try:
            self.command("quit")
            self.process.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            pass
        return self.stage.end(self.process)


def sipp(stage, name, scenario, sip, media, server, *more, folder=None):
    """Starts SIPp with one of our scenarios, in `folder`, where its sound lies. Its messages and errors are logged in the stage's."""
    argv = ["sipp", server, "-sf", HERE / "scenarios" / scenario, "-i", HOST, "-mi", HOST, "-p", sip, "-mp", media]
    argv += ["-nostdin", "-timer_resol", 1, "-buff_size", 4194304, "-trace_err", "-error_file", stage.folder / f"{name}.errors"]
    argv += ["-trace_msg", "-message_file", stage.folder / f"{name}.messages"]
    return stage.start(name, argv + list(more), cwd=folder)
