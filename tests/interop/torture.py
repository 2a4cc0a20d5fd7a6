"""The 49 messages of RFC 4475 against the running engine, over UDP and over TCP: every outcome is one that the manifest allows, the engine
still answers OPTIONS after each, and takes a call at the end.
"""

import itertools
import json
import pathlib
import select
import socket
import time

from phones import HOST, sipp
from stage import Proof

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "data" / "torture"
# What an application may answer to a message that it could read.
APP = {"200", "401", "403", "404", "405", "406", "415", "420", "480", "481", "486", "488"}
# How long nothing must come before it counts as nothing; a message that has begun over TCP is waited for for ten seconds.
SILENCE, WAIT = 0.7, 15.0


def manifest():
    return [json.loads(line) for line in (FOLDER / "manifest.jsonl").read_text().splitlines()]


def final(data):
    """The first final status in what came, or None."""
    for line in data.split(b"\r\n"):
        if line.startswith(b"SIP/2.0 ") and not line.startswith(b"SIP/2.0 1"):
            return line[8:11].decode()
    return None


HOSTS = itertools.count(100)  # one for each message: a late answer to one is nobody else's
PORTS = (5060, 5050, 5070)


def options(number):
    return (
        f"OPTIONS sip:{HOST} SIP/2.0\r\nVia: SIP/2.0/UDP {HOST}:9;branch=z9hG4bKalive{number};rport\r\nMax-Forwards: 70\r\n"
        f"From: <sip:probe@{HOST}>;tag={number}\r\nTo: <sip:{HOST}>\r\nCall-ID: alive{number}@{HOST}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def over_udp(city, message, host=None):
    """The final status of the answer, or `drop`. It comes to the port that the message's Via says (RFC 3261 section 18.2.2), at a host of its own."""
    host = host or f"127.0.1.{next(HOSTS)}"
    ears = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in PORTS]
    try:
        for ear, port in zip(ears, PORTS):
            ear.bind((host, port))
        ears[0].sendto(message, (HOST, city.sip))
        until = time.monotonic() + SILENCE
        while True:
            heard, _, _ = select.select(ears, [], [], max(until - time.monotonic(), 0))
            if not heard:
                return "drop"
            status = final(heard[0].recv(65536))
            if status:
                return status
    finally:
        for ear in ears:
            ear.close()


def over_tcp(city, message, until, host):
    """The final status, with `-then-close` if the engine then closed; `close`, `wait-then-close` (after seconds), or `drop`."""
    with socket.create_connection((HOST, city.sip), 5, source_address=(host, 0)) as phone:
        phone.sendall(message)
        began, heard = time.monotonic(), b""
        while True:
            phone.settimeout(SILENCE if not heard else 0.3)
            try:
                part = phone.recv(65536)
            except TimeoutError:
                waited = time.monotonic() - began
                if heard or waited > until:
                    return final(heard) or "drop"
                continue
            except ConnectionResetError:
                part = b""
            if not part:
                if final(heard):
                    return f"{final(heard)}-then-close"
                return "close" if time.monotonic() - began < 5 else "wait-then-close"
            heard += part


def allowed(got, expected):
    status, close, _ = got.partition("-then-close")
    return got in expected or f"app{close}" in expected and status in APP


def alive(city, number):
    return over_udp(city, options(number)) == "200"


def torture(stage, city, check_quiet, number):
    proof = Proof("torture: the 49 messages of RFC 4475 over UDP and TCP")
    entries = manifest()
    proof.check(len(entries) == 49, f"the manifest has {len(entries)} messages")
    for transport in ("udp", "tcp"):
        wrong, dead, seen = [], [], {}
        for at, entry in enumerate(entries):
            message, expected = (FOLDER / entry["file"]).read_bytes(), entry[f"expect_{transport}"]
            waits = any(word.endswith("wait-then-close") for word in expected)
            # The same by both ways, as a phone that changes from one to the other.
            host = f"127.0.1.{2 + at}"
            got = over_udp(city, message, host) if transport == "udp" else over_tcp(city, message, WAIT if waits else 0, host)
            seen[got] = seen.get(got, 0) + 1
            if not allowed(got, expected):
                wrong.append(f"{entry['file']}: {got}, not one of {expected}")
            if not alive(city, f"{transport}{at}"):
                dead.append(entry["file"])
        proof.measure(f"{transport}: {' '.join(f'{got}={n}' for got, n in sorted(seen.items()))}")
        proof.check(not wrong, f"{transport}: {49 - len(wrong)} of 49 outcomes are allowed{'' if not wrong else ': ' + '; '.join(wrong)}")
        proof.check(not dead, f"{transport}: OPTIONS was answered after each{'' if not dead else ', but not after ' + ', '.join(dead)}")
        (stage.folder / "say.ulaw").write_bytes(b"\xff" * 8000)
        of_transport = ["-t", "u1" if transport == "udp" else "t1"]
        caller = sipp(stage, f"after-{transport}", "short.xml", 7060, 7000, city.server, "-s", number, "-m", 1, "-d", 2000, *of_transport)
        proof.check(caller.wait(30) == 0, f"{transport}: a call was taken at the end (exit {caller.returncode})")
    check_quiet(stage, city, proof)
    return proof.close()
