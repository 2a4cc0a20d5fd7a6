"""SIP over TLS and over secure WebSocket: phones that nobody on the way can listen to, and a certificate that is renewed while they talk."""

import os
import re
import signal
import socket
import ssl
import time
import urllib.request

import sound
import wire
from browser import Browser
from phones import HOST, Baresip
from stage import Proof

TLS, WSS, PAGE = 5061, 8443, 8090
SETTINGS = f"""
tls: {{ listen: "{HOST}:{TLS}", certificate: chain.pem, key: key.pem }}
websocket: {{ listen: "{HOST}:{WSS}", origins: ["http://{HOST}:{PAGE}"] }}
"""


def certificate(stage, state, days):
    """A certificate of our own, and its key, where the engine looks for them."""
    state.mkdir(exist_ok=True)
    files = {"-keyout": state / "key.pem.new", "-out": state / "chain.pem.new"}
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", str(days), "-subj", "/CN=toritsugi"]
    argv += ["-addext", f"subjectAltName=IP:{HOST}"] + [str(word) for pair in files.items() for word in pair]
    stage.run("openssl", argv, 20)
    os.chmod(state / "key.pem.new", 0o600)
    for name in ("key.pem", "chain.pem"):
        os.replace(state / f"{name}.new", state / name)


def shown():
    """The certificate that whoever connects is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((HOST, TLS), 5) as plain, context.wrap_socket(plain) as secure:
        return secure.getpeercert(binary_form=True)


def tls(stage, city, first_key, second_key, check_tone, check_quiet, check_path, number):
    """Two baresips over TLS from end to end; the certificate is renewed while they talk."""
    proof = Proof("tls: baresip calls over TLS and talks with a baresip that registered over TLS; the certificate is renewed meanwhile")
    secure = f"{HOST}:{TLS}"
    trusts = city.state / "chain.pem"
    ken = Baresip(
        stage, "ken", sip=6060, rtp=6100, control=6070, says_hz=440, server=secure, password=city.passwords["ken"], transport="tls", trusts=trusts
    )
    stage.wait("ken's baresip registers", 15, ken.registered)
    seen = wire.Wire(sip_port=city.sip)
    caller = Baresip(stage, "resident", sip=7160, rtp=7200, control=7170, says_hz=1000, auto_answer=False, transport="tls", trusts=trusts)
    caller.command("dial", f"sip:{number}@{secure};transport=tls")
    stage.wait("the engine answers", 10, lambda: "Call established" in caller.log())
    time.sleep(first_key)
    caller.command("sndcode", "1")
    time.sleep(second_key)
    caller.command("sndcode", "0")
    stage.wait("ken's phone is called and answers", 20, lambda: "Call established" in ken.log())
    time.sleep(3)

    before, left = shown(), city.metrics()["toritsugi_tls_certificate_expires_timestamp_seconds"]
    certificate(stage, city.state, 90)
    city.process.send_signal(signal.SIGHUP)
    renewed = stage.wait("newcomers are shown the new certificate", 10, lambda: (now := shown()) != before and now)
    moved = (stage.wait("the metric follows", 5, lambda: (n := city.metrics()["toritsugi_tls_certificate_expires_timestamp_seconds"]) != left and n) - left) / 86400
    proof.check(59 < moved < 61, f"newcomers are shown the renewed certificate, which runs out {moved:.0f} days later")
    (city.state / "chain.pem").write_text("half a file")
    city.process.send_signal(signal.SIGHUP)
    stage.wait("the bad certificate is refused", 10, lambda: city.metrics().get("toritsugi_tls_certificate_refused_total"))
    said = re.search(r"chain\.pem holds no certificate", stage.log("engine"))
    proof.check(bool(said) and shown() == renewed, "one that is half a file is refused in the log, and the renewed one stays")
    time.sleep(8)
    caller.command("hangup")
    check_quiet(stage, city, proof)
    seen.stop()
    proof.check("terminated" in ken.log(), "ken's phone was hung up when the caller hung up")
    proof.check(not seen.sip, f"{len(seen.sip)} SIP messages went by UDP")
    via, contact = f"Via: SIP/2.0/TLS {secure};branch=z9hG4bK", f"Contact: <sip:{secure};transport=tls>"
    proof.check(via in ken.log() and contact in ken.log(), "the engine's INVITE says TLS in Via, and transport=tls in Contact")
    connects = ken.log().count("REGISTER sip:")
    proof.measure(f"ken's phone sent REGISTER {connects} times, by one connection")
    for phone in (caller, ken):
        phone.end()
    check_tone(proof, "ken (baresip's recording)", ken.heard(), 1000, 7)
    check_tone(proof, "the caller (baresip's recording)", caller.heard(), 440, 7)
    check_path(proof, city)
    return proof.close()


def wss(stage, city, first_key, second_key, check_quiet, number):
    """JsSIP in Chromium registers over WSS as an agent, is called there, and signs out. Sound in a browser is WebRTC, which we do not speak yet."""
    proof = Proof("wss: JsSIP in Chromium registers over WSS and is called there (signalling; a browser's sound needs WebRTC, which is not there yet)")
    modules = os.environ.get("TORITSUGI_JSSIP")
    if not modules:
        proof.check(False, "TORITSUGI_JSSIP names no node_modules folder with jssip: start this proof by tests/interop/run")
        return proof.close()
    page = Browser(stage, modules, PAGE)
    page.do("start", url=f"wss://{HOST}:{WSS}/", user="ken", password=city.passwords["ken"])
    page.wait("registered", 20)
    stage.wait("ken is logged in", 5, lambda: agents_on(city) == 1)
    proof.check(True, "the page registered over WSS with a digest password, and ken is logged in")
    page.do("options", target=f"sip:{HOST}")
    options = page.wait("options", 10)
    proof.check(options.get("status") == 200, f"OPTIONS from the page was answered with {options.get('status', options)}")

    caller = resident_calls(stage, city, first_key, second_key, number, "first", 7160)
    invite = page.wait("invite", 30)
    holds = ".invalid" in invite["uri"] and invite["via"].startswith(f"SIP/2.0/WSS {HOST}:{WSS};branch=z9hG4bK")
    proof.check(holds, f"INVITE {invite['uri']} came on the page's own connection, Via: {invite['via'].partition(';')[0]}")
    caller.command("hangup")
    failed = page.wait("failed", 10)
    proof.check(failed["cause"] == "Canceled", f"the caller hung up while it rang: the page was told so by CANCEL ({failed['cause']})")
    caller.end()

    refusals = lambda: sum(value for name, value in city.metrics().items() if name.startswith('toritsugi_sip_responses_total{class="4xx",direction="in"'))
    before = refusals()
    caller = resident_calls(stage, city, first_key, second_key, number, "second", 7460)
    page.wait("invite", 30)
    page.do("answer")
    failed = page.wait("failed", 20)
    stage.wait("the page's refusal arrives", 5, lambda: refusals() > before)
    proof.check(failed["cause"] == "WebRTC Error", f"Chromium refuses plain RTP ({failed['cause']}), and we are told so by a 4xx")
    time.sleep(2)
    proof.check("terminated" not in caller.log(), "the caller is kept in the queue")
    caller.command("hangup")
    page.do("unregister")
    page.wait("unregistered", 10)
    stage.wait("ken is signed out", 10, lambda: agents_on(city) == 0)
    proof.check(True, "the page signed out, and so is ken")
    caller.end()
    page.end()
    check_quiet(stage, city, proof)
    closed = stage.wait("the page's connection is gone", 10, lambda: city.metrics().get('toritsugi_sip_connections_closed_total{reason="left"}'))
    proof.check(closed == 1, f"{closed:.0f} connection ended, when Chromium did")
    return proof.close()


def resident_calls(stage, city, first_key, second_key, number, name, port):
    """A baresip that presses its way to a queue."""
    caller = Baresip(stage, name, sip=port, rtp=port + 40, control=port + 10, says_hz=1000, auto_answer=False)
    caller.command("dial", f"sip:{number}@{city.server}")
    stage.wait("the engine answers", 10, lambda: "Call established" in caller.log())
    time.sleep(first_key)
    caller.command("sndcode", "1")
    time.sleep(second_key)
    caller.command("sndcode", "0")
    return caller


def agents_on(city):
    with urllib.request.urlopen(f"http://{HOST}:{city.admin}/healthz", timeout=5) as answer:
        return int(re.search(r"agents logged in: (\d+)", answer.read().decode()).group(1))
