"""Trunks over connections: a carrier by TCP, one by TLS whose certificate is checked, and one that is registered with over TLS.

The phones are SIPp (TCP) and baresip (TLS); the registrar is a few lines of Python over OpenSSL. The same proof shows that `clients:` of
config/engine.yaml lets in whoever has a certificate of our phones' authority, and nobody else.
"""

import hashlib
import os
import re
import secrets
import socket
import ssl
import threading
import time

import sound
from outside import say
from phones import HOST, Baresip, sipp
from stage import Proof

PLAIN, SECURE, REGISTRAR, TLS = 5090, 5095, 5097, 5061
WARD_HZ, CALLER_HZ, AGENT_HZ = 700, 1000, 440
BY_TCP, BY_TLS = ("0440000011", "11"), ("0440000012", "12")
SETTINGS = f"""
tls: {{ listen: "{HOST}:{TLS}", certificate: chain.pem, key: key.pem, clients: phones-ca.pem }}
"""
LINES = f"""\
local: {{ from: [127.0.0.0/8], targets: loopback }}
plain: {{ trunk: {{ host: {HOST}:{PLAIN}, transport: tcp, channels: 30 }}, targets: loopback }}
secure:
  trunk: {{ host: {HOST}:{SECURE}, transport: tls, ca: carrier-ca.pem, channels: 30, order: 2, check: {{ every: 5s }} }}
  targets: loopback
registered:
  trunk:
    {{ host: {HOST}:{REGISTRAR}, transport: tls, ca: carrier-ca.pem, channels: 30, check: {{ every: 5s, failures: 2 }},
      register: {{ user: "0440000000", domain: carrier.example, realm: carrier, password_file: carrier, digest: [md5] }} }}
  targets: loopback
ward/kawasaki: {{ trunk: plain, number: "{BY_TCP[0]}", lines: 2, code: "{BY_TCP[1]}" }}
ward/saiwai: {{ trunk: [plain, secure], number: "{BY_TLS[0]}", lines: 1, code: "{BY_TLS[1]}" }}
ward/nakahara: {{ trunk: plain, number: "0440000013", lines: 2, code: "13" }}
ward/takatsu: {{ trunk: plain, number: "0440000014", lines: 2, code: "14" }}
ward/miyamae: {{ trunk: plain, number: "0440000015", lines: 2, code: "15" }}
ward/tama: {{ trunk: plain, number: "0440000016", lines: 2, code: "16" }}
ward/asao: {{ trunk: plain, number: "0440000017", lines: 2, code: "17" }}
"""


class Authority:
    """Somebody who signs certificates."""

    def __init__(self, stage, name):
        self.stage, self.name, self.folder = stage, name, stage.folder / "certificates"
        self.folder.mkdir(exist_ok=True)
        self.certificate, self.key = self.folder / f"{name}-ca.pem", self.folder / f"{name}-ca.key"
        self._openssl("req", "-x509", *self._new(self.key), "-days", 30, "-subj", f"/CN={name}", "-out", self.certificate)

    def _new(self, key):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key]

    def _openssl(self, *words):
        status, _ = self.stage.run("openssl", ["openssl", *words], 20)
        assert status == 0, self.stage.log("openssl")

    def signs(self, name):
        """A file with a certificate for this host, and its key behind it."""
        request, key, both = (self.folder / f"{self.name}-{name}.{end}" for end in ("csr", "key", "pem"))
        extensions = self.folder / "extensions"
        extensions.write_text(f"subjectAltName=IP:{HOST}\nbasicConstraints=critical,CA:FALSE\n")
        self._openssl("req", "-new", *self._new(key), "-subj", f"/CN={name}", "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-days", 30, "-extfile", extensions, "-out", both)
        certificate = both.read_text()
        both.write_text(certificate + key.read_text())
        return both


class Carrier:
    """A registrar over TLS: it wants a password, answers questions, and counts who connects."""

    def __init__(self, certificate, password):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.password, self.nonce = password, secrets.token_hex(8)
        self.connections, self.refused, self.registers, self.proved, self.options = [], 0, 0, 0, 0
        self.listener = socket.create_server((HOST, REGISTRAR))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            try:
                connection = self.context.wrap_socket(plain, server_side=True)
            except (ssl.SSLError, OSError):
                self.refused += 1
                continue
            self.connections.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        waiting = b""
        while True:
            try:
                part = connection.recv(65536)
            except (ssl.SSLError, OSError):
                return
            if not part:
                return
            waiting = (waiting + part).lstrip(b"\r\n")
            while b"\r\n\r\n" in waiting:
                head, _, waiting = waiting.partition(b"\r\n\r\n")
                answer = self._answer(head.decode())
                try:
                    connection.sendall(answer.encode())
                except (ssl.SSLError, OSError):
                    return

    def _answer(self, text):
        lines = [line for line in text.split("\r\n") if line.split(":")[0] in ("Via", "From", "Call-ID", "CSeq")]
        lines += [f"{line};tag=carrier" for line in text.split("\r\n") if line.startswith("To:")]
        status = "200 OK"
        if text.startswith("REGISTER"):
            self.registers += 1
            if self._is_proved(text):
                self.proved += 1
                lines += [line for line in text.split("\r\n") if line.startswith("Contact:")]
            else:
                status = "401 Unauthorized"
                lines.append(f'WWW-Authenticate: Digest realm="carrier", nonce="{self.nonce}", algorithm=MD5, qop="auth"')
        elif text.startswith("OPTIONS"):
            self.options += 1
        return "\r\n".join([f"SIP/2.0 {status}", *lines, "Content-Length: 0", "", ""])

    def _is_proved(self, text):
        of = dict(re.findall(r'(\w+)="?([^",]+)', text.partition("Authorization: Digest")[2].partition("\r\n")[0]))
        if of.get("nonce") != self.nonce:
            return False
        md5 = lambda words: hashlib.md5(words.encode()).hexdigest()
        ha1, ha2 = md5(f"0440000000:carrier:{self.password}"), md5(f"REGISTER:{of['uri']}")
        return of["response"] == md5(f"{ha1}:{self.nonce}:{of['nc']}:{of['cnonce']}:auth:{ha2}")

    def hang_up(self):
        """Every connection is cut off."""
        for connection in self.connections:
            connection.close()


def prepare(stage, state):
    """Certificates and secrets, where the engine and its carriers look for them."""
    (state / "secrets").mkdir(parents=True)
    stage.carriers, stage.phones, stage.strangers = (Authority(stage, name) for name in ("carriers", "phones", "strangers"))
    ours = stage.phones.signs("toritsugi").read_text()
    certificate, _, key = ours.partition("-----BEGIN PRIVATE KEY-----")
    (state / "chain.pem").write_text(certificate)
    (state / "key.pem").write_text("-----BEGIN PRIVATE KEY-----" + key)
    os.chmod(state / "key.pem", 0o600)
    (state / "phones-ca.pem").write_text(stage.phones.certificate.read_text())
    (state / "secrets" / "carrier-ca.pem").write_text(stage.carriers.certificate.read_text())
    stage.password = secrets.token_hex(8)
    (state / "secrets" / "carrier").write_text(stage.password + "\n")
    stage.registrar = Carrier(stage.carriers.signs("registrar"), stage.password)


def options_from(certificate, trusts):
    """The first line that OPTIONS gets over TLS by somebody who shows this certificate, or none; or why there is none."""
    context = ssl.create_default_context(cafile=trusts)
    if certificate:
        context.load_cert_chain(certificate)
    branch = secrets.token_hex(6)
    request = f"OPTIONS sip:{HOST} SIP/2.0\r\nVia: SIP/2.0/TLS {HOST}:7777;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\nFrom: <sip:phone@{HOST}>;tag={branch}\r\n"
    request += f"To: <sip:{HOST}>\r\nCall-ID: {branch}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    try:
        with socket.create_connection((HOST, TLS), 5) as plain, context.wrap_socket(plain, server_hostname=HOST) as secure:
            secure.sendall(request.encode())
            return secure.recv(4096).decode().partition("\r\n")[0] or "closed"
    except (ssl.SSLError, OSError) as why:
        return f"refused: {why}"


def carrier(stage, city, first_key, second_key, check_quiet, number):
    """Calls to wards over TCP and TLS with sound, registration over TLS, what a wrong certificate does, and phones' certificates."""
    proof = Proof("carrier: wards are called over TCP (SIPp) and TLS (baresip), a carrier is registered with over TLS; phones show certificates")
    registrar, registered = stage.registrar, 'toritsugi_trunk_registered{line="registered"}'
    stage.wait("the carrier has our registration", 15, lambda: registrar.proved)
    stage.wait("the engine knows it", 5, lambda: city.metrics().get(registered) == 1)
    stage.wait("it is asked whether it works", 15, lambda: registrar.options >= 2)
    said = f"{registrar.registers} REGISTERs, {registrar.proved} with the password, and {registrar.options} OPTIONS came over {len(registrar.connections)} TLS connection"
    proof.check((registrar.registers, registrar.proved, len(registrar.connections)) == (2, 1, 1), said)

    agent = Baresip(stage, "w1", sip=6500, rtp=6700, control=6600, says_hz=AGENT_HZ, server=city.server, password=city.passwords["w1"])
    stage.wait("w1 registers", 15, agent.registered)
    by_tls = Baresip(
        stage, BY_TLS[0], sip=SECURE - 1, rtp=6900, control=6610, says_hz=WARD_HZ, transport="tls", certificate=stage.carriers.signs("ward")
    )
    ward = sipp(stage, "ward", "person.xml", PLAIN, 6960, city.server, "-set", "key", 0, "-aa", "-t", "t1", folder=say(stage, "ward", WARD_HZ))
    time.sleep(1)
    heard = put_through(stage, city, agent, "first", 7160, first_key, second_key, number, BY_TCP[1], lambda: "ACK sip:" in stage_messages(stage, "ward"))
    proof.check(heard >= 5, f"over TCP: the caller heard the ward's {WARD_HZ} Hz for {heard:.1f} s unbroken")
    messages = stage_messages(stage, "ward")
    vias = set(re.findall(r"Via: SIP/2.0/(\w+)", messages))
    proof.check(vias == {"TCP"} and "BYE sip:" in messages, f"SIPp: INVITE, ACK and BYE came over {' and '.join(sorted(vias))}")
    stage.end(ward)

    began = time.monotonic()
    answered = lambda: "Call established" in by_tls.log()
    heard = put_through(stage, city, agent, "second", 7360, first_key, second_key, number, BY_TLS[1], answered)
    proof.check(heard >= 5, f"the first trunk takes no connection, the second is TLS: the caller heard the ward's {WARD_HZ} Hz for {heard:.1f} s unbroken")
    passed = city.metrics().get('toritsugi_trunk_passed_over_total{line="plain",reason="refused"}', 0) + city.metrics().get('toritsugi_trunk_passed_over_total{line="plain",reason="deaf"}', 0)
    proof.check(passed == 1, f"the dead trunk was passed over {passed:.0f} time")
    proof.measure(f"the second call, from dialling to hanging up: {time.monotonic() - began:.0f} s")
    proof.check("terminated" in by_tls.log() or "closed" in by_tls.log(), "baresip was hung up over TLS")
    agent.end()
    by_tls.end()

    # A carrier with another certificate than the one we trust hears nothing.
    trusted = city.state / "secrets" / "carrier-ca.pem"
    right = trusted.read_text()
    trusted.write_text(stage.strangers.certificate.read_text())
    before, asked = registrar.registers, registrar.refused
    registrar.hang_up()
    stage.wait("nobody is called whose certificate is not the right one", 20, lambda: registrar.refused > asked)
    time.sleep(1)
    told = re.search(r"a carrier cannot be called.*", stage.log("engine"))
    proof.check(registrar.registers == before and bool(told), f"with another authority nothing was said to the carrier; the log: {told.group(0)[:160] if told else 'nothing'}")
    trusted.write_text(right)
    stage.wait("the registration is renewed once the certificate is the right one", 30, lambda: registrar.registers > before)
    proof.check(True, "with the right authority again it registers again by itself")

    trusts = stage.phones.certificate
    said = {who: options_from(certificate, trusts) for who, certificate in (("none", None), ("a stranger's", stage.strangers.signs("phone")), ("ours", stage.phones.signs("phone")))}
    proof.check(said["ours"] == "SIP/2.0 200 OK", f"a phone with a certificate of our authority: {said['ours']}")
    for who in ("none", "a stranger's"):
        proof.check("200" not in said[who], f"a phone with {who}: {said[who][:110]}")
    check_quiet(stage, city, proof)
    return proof.close()


def stage_messages(stage, name):
    try:
        return (stage.folder / f"{name}.messages").read_text(errors="replace")
    except FileNotFoundError:
        return ""


def put_through(stage, city, agent, name, port, first_key, second_key, number, code, reached):
    """A resident calls, an agent answers and sends them on to a ward; for how long they heard it without a break, in seconds."""
    calls = agent.log().count("Call established")
    caller = Baresip(stage, name, sip=port, rtp=port + 40, control=port + 10, says_hz=CALLER_HZ, auto_answer=False)
    caller.command("dial", f"sip:{number}@{city.server}")
    stage.wait("the engine answers", 10, lambda: "Call established" in caller.log())
    time.sleep(first_key)
    caller.command("sndcode", "1")
    time.sleep(second_key)
    caller.command("sndcode", "0")
    stage.wait("the agent answers", 30, lambda: agent.log().count("Call established") > calls)
    time.sleep(2)
    for key in f"*6{code}":
        agent.command("sndcode", key)
    stage.wait("the ward answers", 20, reached)
    time.sleep(7)
    caller.command("hangup")
    stage.wait("the call is over", 10, lambda: not city.metrics()["toritsugi_calls_in_progress"])
    time.sleep(1)
    caller.end()
    return sound.Heard(caller.heard()).longest(WARD_HZ)
