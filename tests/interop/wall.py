"""The board as a browser on a wall shows it: figures while they are news, and the hour of the last news when there is none.

Chromium is asked what stands on the page over its DevTools protocol: JSON in WebSocket frames (RFC 6455), of which it takes forty lines.
"""

import base64
import json
import os
import signal
import socket
import struct
import time
import urllib.request

from engine import NUMBER
from phones import HOST, sipp
from stage import Proof

DEVTOOLS = 9222
CALLER = "09000001"  # as short.xml calls itself
# What stands there, for whoever looks: nothing that is hidden.
SEEN = """(() => {
    const text = id => document.getElementById(id).innerText;
    const shown = id => !document.getElementById(id).hidden;
    return JSON.stringify({ board: shown('board') && text('board'), silence: shown('silence') && text('silence'), time: text('time') });
})()"""


class Page:
    """A page in headless Chromium."""

    def __init__(self, stage, url):
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-quic", "--disable-sync"]
        flags += ["--disable-background-networking", "--disable-component-update", "--window-size=1920,1080", f"--remote-debugging-port={DEVTOOLS}"]
        self.process = stage.start("chromium", ["chromium", *flags, f"--user-data-dir={stage.folder / 'chromium'}", "about:blank"])
        # What Chromium cannot do, or is forbidden by the page's policy.
        self.complaints, self._asked = [], 0
        tab = stage.wait("Chromium opens its door", 40, self._tab)
        self._socket = socket.create_connection((HOST, DEVTOOLS), 10)
        key = base64.b64encode(os.urandom(16)).decode()
        path = tab["webSocketDebuggerUrl"].split(str(DEVTOOLS), 1)[1]
        head = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{DEVTOOLS}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self._socket.sendall(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += self._take(1)
        for domain in ["Log", "Runtime", "Page"]:
            self._do(f"{domain}.enable")
        self._do("Page.navigate", url=url)

    def _tab(self):
        try:
            with urllib.request.urlopen(f"http://{HOST}:{DEVTOOLS}/json", timeout=2) as answer:
                return next(tab for tab in json.load(answer) if tab["type"] == "page")
        except (OSError, StopIteration):
            return None

    def _take(self, count):
        taken = b""
        while len(taken) < count:
            part = self._socket.recv(count - len(taken))
            if not part:
                raise OSError("Chromium is gone")
            taken += part
        return taken

    def _message(self):
        text, last = b"", False
        while not last:
            first, length = self._take(2)
            length = struct.unpack(">H", self._take(2))[0] if length == 126 else struct.unpack(">Q", self._take(8))[0] if length == 127 else length
            text, last = text + self._take(length), first & 0x80
        return json.loads(text)

    def _do(self, method, **params):
        self._asked += 1
        text, mask = json.dumps({"id": self._asked, "method": method, "params": params}).encode(), os.urandom(4)
        self._socket.sendall(b"\x81\xfe" + struct.pack(">H", len(text)) + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(text)))
        while True:
            message = self._message()
            if message.get("id") == self._asked:
                return message.get("result", {})
            if message["method"] == "Runtime.exceptionThrown":
                self.complaints.append(message["params"]["exceptionDetails"]["text"])
            if message["method"] == "Log.entryAdded" and message["params"]["entry"]["source"] == "security":
                self.complaints.append(message["params"]["entry"]["text"])

    def seen(self):
        """What stands on it: `board` and `silence` are false while they are hidden. {} before there is a page."""
        value = self._do("Runtime.evaluate", expression=SEEN).get("result", {}).get("value")
        return json.loads(value) if value else {}


def wall(stage, city):
    """A wall shows a call while it is there, says so when there is no news, and goes on by itself when the engine is back."""
    proof = Proof("board: a browser on a wall, and an engine that is killed under it")
    page = Page(stage, f"http://{HOST}:{city.admin}/board?lang=ja")
    seen = stage.wait("the board shows its queues", 15, lambda: (now := page.seen()).get("board") and "看護" in now["board"] and now)
    proof.check("受付できます" in seen["board"] and not seen["silence"], f"the board stands there, as of {seen['time']}: {' '.join(seen['board'].split())[:90]} ..")

    caller = sipp(stage, "caller", "short.xml", 7060, 7000, city.server, "-s", NUMBER, "-m", 1, "-d", 6000)
    began = time.monotonic()
    stage.wait("the board shows the caller's channel", 5, lambda: "1 / 200" in (page.seen().get("board") or ""))
    proof.check(True, f"a caller takes a channel, and the wall shows it after {time.monotonic() - began:.1f} s")
    _, said = stage.run("top", [city.binary, "top", "--once", "--json", "--state", city.state], 10)
    floor = json.loads(said)
    proof.check(floor["calls"]["channels_used"] == 1 and len(floor["agents"]) > 0, f"`toritsugi top --once --json`: channels_used {floor['calls']['channels_used']}, {len(floor['agents'])} agents by name")
    names = [agent["agent"] for agent in floor["agents"]]
    with socket.create_connection((HOST, city.admin), 5) as watcher:
        watcher.sendall(f"GET /board/events HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        heard = b""
        while heard.count(b"\n\n") < 2:
            heard += watcher.recv(65536)
    named = [name for name in [f'"{name}"' for name in names] + [CALLER] if name in heard.decode()]
    proof.check(not named, f"two events name nobody{'' if not named else f', but {named}'}")
    caller.wait(20)

    city.kill()
    began = time.monotonic()
    seen = stage.wait("the wall says that there is no news", 10, lambda: (now := page.seen()).get("silence") and now)
    lasted = time.monotonic() - began
    proof.check(not seen["board"] and "から" in seen["silence"] and lasted < 8, f"{lasted:.1f} s after the engine was killed no figure stands there any more: {' '.join(seen['silence'].split())}")
    city.again()
    began = time.monotonic()
    stage.wait("the board is back", 20, lambda: (now := page.seen()).get("board") and not now["silence"])
    proof.check(True, f"{time.monotonic() - began:.1f} s after the engine is back so are the figures, without a hand")

    began = time.monotonic()
    city.process.send_signal(signal.SIGTERM)
    city.process.wait(20)
    proof.check(time.monotonic() - began < 5, f"asked to stop while the wall watches, the engine ended after {time.monotonic() - began:.1f} s")
    proof.check(not page.complaints, f"Chromium had nothing to complain of{'' if not page.complaints else f', but {page.complaints}'}")
    stage.end(page.process, 10)
    return proof.close()
