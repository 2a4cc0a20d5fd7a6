"""deploy/nftables.conf, loaded in a network of its own: a carrier, a phone, Prometheus and a stranger knock at each port of the engine."""

import json
import subprocess
import time

from stage import Proof

# Who knocks, with the network that the file names for them.
CARRIER, PHONE, PROMETHEUS, STRANGER = "192.0.2.5", "198.51.100.7", "203.0.113.10", "203.0.113.77"
DOOR = "10.77.0.1"
SIP, RTP, ADMIN, TLS = 5060, 20000, 8080, 5061
# What a phone may say at once before it is held to its rate, and what it says here.
BURST, SAID = 200, 1000

# Runs in the engine's network: hears datagrams and connections, and counts them by port and sender until its input ends.
LISTENER = f"""
import collections, json, selectors, socket, sys
heard = collections.Counter()
doors = selectors.DefaultSelector()
for kind, port in (("udp", {SIP}), ("udp", {RTP}), ("tcp", {SIP}), ("tcp", {TLS}), ("tcp", {ADMIN})):
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
    door.bind(("{DOOR}", port))
    if kind == "tcp": door.listen()
    doors.register(door, selectors.EVENT_READ, (kind, port))
doors.register(sys.stdin, selectors.EVENT_READ, None)
print("listening", flush=True)
while True:
    for ready, _ in doors.select():
        if ready.data is None:
            print(json.dumps(sorted([*k, n] for k, n in heard.items())))
            sys.exit()
        kind, port = ready.data
        if kind == "udp": sender = ready.fileobj.recvfrom(2048)[1][0]
        else:
            connection, (sender, _) = ready.fileobj.accept()
            connection.close()
        heard[f"{{kind}}/{{port}}", sender] += 1
"""

# Runs in everybody else's: one datagram and one connection from each address to each port, then a phone that talks too much.
KNOCKER = f"""
import socket
for sender in ("{CARRIER}", "{PHONE}", "{PROMETHEUS}", "{STRANGER}"):
    for kind, port in (("udp", {SIP}), ("udp", {RTP}), ("tcp", {SIP}), ("tcp", {TLS}), ("tcp", {ADMIN})):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as knock:
            knock.settimeout(0.4)
            knock.bind((sender, 0))
            try:
                knock.connect(("{DOOR}", port))
                if kind == "udp": knock.send(b"knock")
            except OSError:
                pass
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
    phone.bind(("198.51.100.8", 0))
    for _ in range({SAID}): phone.sendto(b"x" * 100, ("{DOOR}", {SIP}))
"""


def firewall(stage, tree):
    proof = Proof("firewall: deploy/nftables.conf lets in whom it names, for what they are named, and a phone that talks too much is held to its rate")
    # Two networks of their own, and a wire between them. They end with the processes that hold them.
    hold = ["unshare", "-n", "sleep", "60"]
    door, street = stage.start("door", hold), stage.start("street", hold)
    time.sleep(0.3)
    inside, outside = (["nsenter", "--target", str(at.pid), "--net", "--"] for at in (door, street))

    def sh(where, text):
        done = subprocess.run(where + ["sh", "-ec", text], capture_output=True, check=False)
        return done.returncode, (done.stdout + done.stderr).decode()

    sh(inside, f"ip link add wire type veth peer name street netns {street.pid}; ip addr add {DOOR}/24 dev wire; ip link set wire up; ip link set lo up")
    sh(inside, "ip route add default dev wire")
    for address in (CARRIER, PHONE, "198.51.100.8", PROMETHEUS, STRANGER):
        sh(outside, f"ip addr add {address}/32 dev street")
    sh(outside, f"ip link set street up; ip route add {DOOR}/32 dev street")

    # Without it everybody is heard: a proof that the wire carries.
    before = knocked(stage, inside, outside)
    proof.check(before.get(("udp/5060", STRANGER)) == 1 and before.get(("tcp/8080", STRANGER)) == 1, f"without the file a stranger is heard at every port: {sum(who == STRANGER for _, who in before)} of 5")
    rules = tree / "deploy/nftables.conf"
    status, said = sh(inside, f"nft -c -f {rules} && nft -f {rules} && nft -f {rules}")
    proof.check(status == 0, f"nft checks it, loads it, and loads it again ({status}) {said.strip()}")
    heard = knocked(stage, inside, outside)
    ports = {who: sorted(port for port, sender in heard if sender == who) for who in (CARRIER, PHONE, PROMETHEUS, STRANGER)}
    calls = ["tcp/5060", "tcp/5061", "udp/20000", "udp/5060"]
    for who, name, expected in ((CARRIER, "a carrier", calls), (PHONE, "a phone", calls), (PROMETHEUS, "Prometheus", ["tcp/8080"]), (STRANGER, "a stranger", [])):
        proof.check(ports[who] == expected, f"{name} gets through to {', '.join(ports[who]) or 'nothing'}")
    said = heard.get(("udp/5060", "198.51.100.8"), 0)
    proof.check(BURST <= said < BURST + 100, f"of {SAID} messages that a phone sent at once {said} came through")
    # Nothing of ours is kept in the table of connections but TCP.
    _, tracked = sh(inside, "cat /proc/net/nf_conntrack 2>/dev/null | grep -c udp || true")
    proof.measure(f"UDP in the table of connections: {tracked.strip()}")
    return proof.close()


def knocked(stage, inside, outside):
    """{(port, sender): how often} of one round of knocking."""
    listener = subprocess.Popen(inside + ["python3", "-c", LISTENER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    listener.stdout.readline()
    subprocess.run(outside + ["python3", "-c", KNOCKER], check=True, timeout=30)
    time.sleep(0.3)
    said, _ = listener.communicate(timeout=10)
    return {(port, sender): n for port, sender, n in json.loads(said)}
