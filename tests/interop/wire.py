"""What went over the loopback interface: RTP by destination port, SIP by direction, seen from outside of the engine.

A raw packet socket (packet(7)), which needs root and sees nothing but the namespace it was opened in.
"""

import socket
import struct
import threading
import time

_OUTGOING = 4  # PACKET_OUTGOING: loopback shows each packet twice, once in each direction


class Wire:
    """Reads every UDP datagram of the loopback interface until told to stop. Bounded: RTP is kept for the ports it was asked for."""

    def __init__(self, rtp_ports=(), sip_port=None):
        self.rtp_ports, self.sip_port = set(rtp_ports), sip_port
        self.rtp = {}  # destination port -> [(seconds, source port, bytes)]
        self.sip = []  # (seconds, source port, destination port, text)
        self._stop = threading.Event()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self._socket.bind(("lo", 0x0800))
        self._socket.settimeout(0.2)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while not self._stop.is_set():
            try:
                packet, (_, _, kind, *_) = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            if kind == _OUTGOING or len(packet) < 28 or packet[9] != 17:
                continue
            head = (packet[0] & 15) * 4
            source, target, length = struct.unpack_from("!HHH", packet, head)
            data = packet[head + 8 : head + length]
            if target in self.rtp_ports:
                self.rtp.setdefault(target, []).append((time.monotonic(), source, data))
            elif self.sip_port in (source, target):
                self.sip.append((time.monotonic(), source, target, data.decode("utf-8", "replace")))

    def stop(self):
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def audio(self, port):
        """Samples that were sent to `port`, in the order of the longest stream's sequence numbers; what was lost is silence."""
        from sound import from_g711

        streams = {}
        for _, _, data in self.rtp.get(port, []):
            if len(data) < 12 or data[0] >> 6 != 2 or data[1] & 0x7F not in (0, 8):
                continue
            kind, sequence, stamp, ssrc = data[1] & 0x7F, *struct.unpack_from("!HII", data, 2)
            streams.setdefault(ssrc, {})[stamp] = (sequence, kind, data[12 + 4 * (data[0] & 15) :])
        if not streams:
            return []
        longest = max(streams.values(), key=len)
        samples, due = [], None
        for stamp in sorted(longest):
            _, kind, payload = longest[stamp]
            if due is not None and 0 < stamp - due < 80_000:
                samples += [0] * (stamp - due)
            samples += from_g711(kind, payload)
            due = stamp + len(payload)
        return samples


def header(text, name):
    """The value of a SIP header, by its long name."""
    for line in text.split("\r\n\r\n")[0].split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.strip().lower() == name:
            return value.strip()
    return ""


def user(value):
    """The user part of the URI in a From, To or Contact."""
    return value.partition("sip:")[2].partition("@")[0].partition(";")[0].strip("<>")
