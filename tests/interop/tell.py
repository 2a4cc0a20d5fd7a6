"""What the engine tells others of a call, read by strangers: spans by OpenTelemetry's own classes, SIP messages by sngrep and Wireshark.

The collector and the capture server are sockets that keep what comes; whether it is what it should be is for the strangers to say. The caller has a
number, and it stands in nothing that was told.
"""

import http.server
import json
import os
import re
import socket
import subprocess
import threading
import time
from collections import Counter

import sound
import wire
from phones import HOST, sipp
from stage import Failed, Proof

COLLECTOR, CAPTURE = 4318, 9060
CALLER = "09000001"  # of the scenario
SPELLINGS = [CALLER, "9000001", "090-0000-1"]
# Whatever is no OTLP is refused by these classes: unknown names, wrong types, ids of another length.
DECODE = """
import json, sys
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
told = []
for body in json.load(sys.stdin):
    # OTLP writes ids in hexadecimal, where the mapping of Protocol Buffers has base64.
    import base64
    for spans in (scope["spans"] for of in body["resourceSpans"] for scope in of["scopeSpans"]):
        for span in spans:
            for name in ("traceId", "spanId", "parentSpanId"):
                if name in span:
                    span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    request = json_format.ParseDict(body, ExportTraceServiceRequest())
    for of in request.resource_spans:
        service = {a.key: a.value.string_value for a in of.resource.attributes}["service.name"]
        for span in (span for scope in of.scope_spans for span in scope.spans):
            facts = {a.key: a.value.int_value if a.value.WhichOneof("value") == "int_value" else a.value.string_value for a in span.attributes}
            told.append(dict(service=service, trace=span.trace_id.hex(), id=span.span_id.hex(), parent=span.parent_span_id.hex(), name=span.name,
                             kind=span.kind, start=span.start_time_unix_nano, end=span.end_time_unix_nano, status=span.status.code, facts=facts))
json.dump(told, sys.stdout)
"""


class Collector:
    """Keeps the bodies that are posted to /v1/traces; the first one is answered with 503."""

    def __init__(self):
        kept, refused = self.bodies, self.refused = [], []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                right = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/json"
                status = 503 if not refused else 200 if right else 400
                (refused if status != 200 else kept).append(body.decode())
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer((HOST, COLLECTOR), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()


class Capture:
    """Keeps the datagrams of a port, and passes them on to sngrep, which takes HEP apart and writes what it read as a capture file."""

    def __init__(self, stage):
        self.path = stage.folder / "hep.pcap"
        self._sngrep = stage.start("sngrep", ["sngrep", "-N", "-q", "-F", "-L", f"udp:{HOST}:{CAPTURE + 1}", "-O", self.path])
        self._stage, self.packets = stage, []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, CAPTURE))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            data = self._socket.recv(65536)
            self.packets.append(data)
            self._socket.sendto(data, (HOST, CAPTURE + 1))

    def read(self):
        """The messages that sngrep read, as Wireshark reads them in turn: one dictionary each."""
        time.sleep(1)
        self._stage.end(self._sngrep)
        fields = ["frame.time_epoch", "ip.src", "udp.srcport", "ip.dst", "udp.dstport", "sip.Method", "sip.Status-Code", "sip.from.user", "sip.to.user", "sip.Call-ID", "sdp.media.port"]
        argv = ["tshark", "-r", self.path, "-d", "udp.port==1-65535,sip", "-T", "fields", "-E", "separator=|"]
        argv += [word for field in fields for word in ("-e", field)]
        status, said = self._stage.run("tshark", argv, 60)
        if status != 0:
            raise Failed(f"tshark ended with {status}: {self._stage.log('tshark')}")
        return [dict(zip(fields, line.split("|"))) for line in said.splitlines()]


def told(stage, city, registers, first_key, second_key, number, check_quiet):
    """A call is told to a collector of traces and to a capture server, and strangers read it."""
    proof = Proof("spans: a call as OpenTelemetry and Wireshark read it")
    collector, capture = Collector(), Capture(stage)
    city.end()
    city.again(more=["--otlp", f"http://{HOST}:{COLLECTOR}", "--hep", f"{HOST}:{CAPTURE}", "--log-format", "json", "--log", "debug"])
    ken = registers(stage, city, proof)
    (stage.folder / "say.ulaw").write_bytes(sound.to_mu(sound.tone(1000, 4)))
    seen = wire.Wire(sip_port=city.sip)
    began = time.time()
    caller = sipp(
        stage, "named-caller", "caller.xml", 7060, 7000, city.server, "-s", number, "-m", 1, "-aa", "-d", 6000,
        "-set", "first", int(first_key * 1000), "-set", "second", int(second_key * 1000), "-set", "stays", 0,
    )
    proof.check(caller.wait(90) == 0, f"SIPp's call went as its scenario says (exit {caller.returncode})")
    check_quiet(stage, city, proof)
    ended = time.time()
    ken.end()
    seen.stop()
    stage.wait("the collector was told", 15, lambda: collector.bodies)
    check_spans(stage, proof, collector, began, ended)
    check_packets(proof, capture, seen, city, began, ended)
    lines = [json.loads(line) for line in stage.log("engine-again").splitlines() if line.startswith("{")]
    talk = [line for line in lines if line["message"] == "caller and agent talk"]
    proof.check(len(talk) == 1 and talk[0]["agent"] == "ken" and talk[0]["step"] and talk[0]["trace_id"], f"the log, line by line as JSON ({len(lines)} lines): {talk}")
    everything = "".join(collector.bodies + collector.refused) + stage.log("engine-again") + "".join(data.decode("latin-1") for data in capture.packets)
    clear = [text for _, _, _, text in seen.sip if CALLER in text]
    found = [spelling for spelling in SPELLINGS if spelling in everything]
    proof.check(bool(clear) and not found, f"{CALLER} stands in {len(clear)} messages on the wire, and in nothing that was told or logged {found}")
    return proof.close()


def check_spans(stage, proof, collector, began, ended):
    argv = [os.environ["TORITSUGI_OTLP"], "-c", DECODE]
    done = subprocess.run(argv, input=json.dumps([json.loads(body) for body in collector.bodies]).encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        return proof.check(False, f"OpenTelemetry does not read it: {done.stderr.decode()[-500:]}")
    spans = json.loads(done.stdout)
    (call, *_), parts = [s for s in spans if not s["parent"]], [s for s in spans if s["parent"]]
    proof.measure("spans: " + ", ".join(f"{s['name']} {(s['end'] - s['start']) / 1e9:.1f} s" for s in spans))
    whole = all(s["trace"] == call["trace"] and s["parent"] == call["id"] and call["start"] <= s["start"] <= s["end"] <= call["end"] + 1e9 for s in parts)
    names = {s["name"] for s in parts}
    proof.check(whole and {"wait general", "offer ken", "talk ken"} <= names, f"one trace of {len(spans)} spans, its parts within the call")
    timely = began - 1 <= call["start"] / 1e9 <= call["end"] / 1e9 <= ended + 1
    proof.check(timely and call["facts"]["toritsugi.end"] == "served" and call["service"] == "toritsugi", f"the call: {call['facts']}")
    proof.check(len(collector.refused) == 1 and collector.refused[0] in collector.bodies, "the first request was answered with 503, and came again")


def check_packets(proof, capture, seen, city, began, ended):
    told, sip = capture.read(), len(capture.packets)
    said = [message["sip.Method"] or message["sip.Status-Code"] for message in told]
    proof.check(len(told) == sip and {"INVITE", "ACK", "BYE", "200"} <= set(said), f"sngrep and Wireshark read {len(told)} of {sip} packets: {' '.join(said)}")
    ways = Counter((int(m["udp.srcport"]), int(m["udp.dstport"])) for m in told if m["ip.src"] == m["ip.dst"] == HOST)
    wired = Counter((source, target) for _, source, target, text in seen.sip if not re.search(r"(?mi)^CSeq: *\d+ (OPTIONS|REGISTER)", text))
    proof.check(ways == wired and (7060, city.sip) in ways, f"each between the ports where it went on the wire: {dict(ways)}")
    users = {(m["sip.from.user"], m["sip.to.user"]) for m in told if 7060 in (int(m["udp.srcport"]), int(m["udp.dstport"]))}
    proof.check(users == {("***", "***")}, f"From and To between the caller and the engine: {users}")
    times = [float(m["frame.time_epoch"]) for m in told]
    proof.check(began <= times[0] and times == sorted(times) and times[-1] <= ended, f"within the call: the first {times[0] - began:.2f} s, the last {times[-1] - began:.2f} s after SIPp began")
    ports = [m["sdp.media.port"] for m in told if m["sdp.media.port"]]
    proof.check("7000" in ports, f"the ports of session descriptions: {' '.join(ports)}")
