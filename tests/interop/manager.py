"""The engine under a service manager: we play systemd on its socket (sd_notify(3)), ask its probes, and have it stop while people talk."""

import re
import signal
import socket
import threading
import time

from engine import NUMBER
from phones import HOST, sipp
from stage import Proof

CALLS, TALK = 20, 8.0  # calls at once, seconds
WATCHDOG = 2.0  # seconds within which a sign of life is due


class Systemd:
    """The socket that the engine talks to, and what it said, each word with its moment."""

    def __init__(self, folder, listens=True):
        self.path = str(folder / f"notify{listens}")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self.heard = []
        if listens:
            threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            text = self._socket.recv(65536).decode()
            self.heard += [(time.monotonic(), line) for line in text.splitlines() if line]

    def said(self, word):
        """When it said a word that begins so."""
        return [at for at, heard in list(self.heard) if heard.startswith(word)]

    def last(self, word):
        return ([heard for _, heard in list(self.heard) if heard.startswith(word)] or [""])[-1]

    def environment(self):
        return {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": str(int(WATCHDOG * 1e6))}


def invite(sip):
    """The final answer to one INVITE of somebody who comes late."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind((HOST, 0))
        phone.settimeout(2)
        at = f"{HOST}:{phone.getsockname()[1]}"
        text = f"INVITE sip:{NUMBER}@{HOST}:{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKlate;rport\r\nMax-Forwards: 70\r\n"
        text += f"From: <sip:0449990001@{HOST}>;tag=late\r\nTo: <sip:{NUMBER}@{HOST}>\r\nCall-ID: late@{HOST}\r\nCSeq: 1 INVITE\r\n"
        text += f"Contact: <sip:late@{at}>\r\nContent-Length: 0\r\n\r\n"
        phone.sendto(text.encode(), (HOST, sip))
        while (answer := phone.recv(65536).decode("utf-8", "replace")).startswith("SIP/2.0 1"):
            pass
        to = re.search(r"(?m)^To:.*$", answer).group(0).strip()
        ack = re.sub(r"(?m)^To:.*$", lambda _: to, text.replace("INVITE sip:", "ACK sip:").replace("1 INVITE", "1 ACK"))
        phone.sendto(ack.encode(), (HOST, sip))
        return answer


def managed(stage, city):
    """Ready, alive, draining: what probes and a service manager hear; and nobody is cut off by a stop."""
    proof = Proof(f"manager: ready, alive, and stopped with {CALLS} calls in progress, under a service manager")
    city.end()
    systemd = Systemd(stage.folder)
    city.again(systemd.environment())
    stage.wait("READY=1", 10, lambda: systemd.said("READY=1"))
    status, text = city.probe("readyz")
    proof.check(status == 200 and text.startswith("ready\n"), f"after READY=1, /readyz is {status}: {'; '.join(text.split(chr(10))[:3])}")
    proof.check(city.probe("livez") == (200, "alive\n"), "/livez: alive")
    time.sleep(3)
    beats = systemd.said("WATCHDOG=1")
    gap = max((b - a for a, b in zip(beats, beats[1:])), default=99)
    proof.check(len(beats) > 3 and gap < WATCHDOG, f"{len(beats)} signs of life, at most {gap:.1f} s apart (due within {WATCHDOG:.0f} s); {systemd.last('STATUS=')}")

    callers = sipp(stage, "talkers", "short.xml", 7060, 7000, city.server, "-s", NUMBER, "-m", CALLS, "-r", CALLS, "-l", CALLS, "-d", int(TALK * 1000))
    stage.wait("all calls are up", 10, lambda: city.census()["calls_in_progress"] == CALLS)
    asked = time.monotonic()
    city.process.send_signal(signal.SIGTERM)
    stage.wait("STOPPING=1", 5, lambda: systemd.said("STOPPING=1"))
    stage.wait("/readyz says so", 3, lambda: city.probe("readyz")[0] == 503)
    proof.measure(f"/readyz: {city.probe('readyz')[1].splitlines()[1]}")
    proof.check(city.probe("livez")[0] == 200, "/livez: still alive")
    answer = invite(city.sip)
    retry = re.search(r"(?im)^Retry-After: *(\d+)", answer)
    proof.check(answer.startswith("SIP/2.0 503 ") and retry, f"a new call gets {answer.splitlines()[0]!r}, {retry and retry.group(0)}")
    proof.check(callers.wait(40) == 0, f"{CALLS} calls went on and ended as their callers wished (SIPp ended with {callers.returncode})")
    status = city.process.wait(40)
    proof.check(status == 0, f"the engine ended with {status}, {time.monotonic() - asked:.1f} s after it was asked")

    # A manager that listens to nobody: its socket is full after some words.
    deaf = Systemd(stage.folder, listens=False)
    city.again(deaf.environment())
    time.sleep(12)
    status, _ = city.probe("readyz")
    proof.check(status == 200 and city.end() == 0, f"with a service manager that never listens, /readyz is {status} after 12 s, and a stop is one")
    city.again()
    return proof.close()
