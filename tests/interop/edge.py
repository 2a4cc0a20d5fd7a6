"""A Kamailio in front of two engines, with the configuration of deploy/kamailio: what ships is what is proven.

Only site.cfg, dispatcher.list and the folder of tls.cfg are ours here. Phones come by TLS, the carrier by UDP; engines never speak past the edge.
"""

import re
import shutil
import socket
import time
from collections import Counter

import secure
import sound
import wire
from engine import Engine
from phones import HOST, Baresip, sipp
from stage import Failed, Proof

# Everybody has an address of their own on the loopback network, for the edge knows people by it.
FIRST, SECOND, INNER, OUTER, CARRIER, STRANGER = "127.0.0.11", "127.0.0.12", "127.0.0.30", "127.0.0.31", "127.0.0.5", "127.0.0.66"
FIRST_SIP, SECOND_SIP, INNER_SIP, OUTER_SIP, OUTER_TLS = 5060, 5062, 5080, 5082, 5083
# What the edge says of an engine's silence, and what a caller may have to wait because of it.
SILENCE_MAX = 2.5
# Two questions, two seconds apart, and their answers.
BACK_MAX = 8.0


def lines(tree):
    """The city's lines; nobody calls in but the edge."""
    text, changed = re.subn(r"(?m)^local: .*$", f"edge: {{ from: [{INNER}], trusted: true, targets: loopback }}", (tree / "config/lines.yaml").read_text())
    assert changed == 1
    return text


def kamailio(stage, tree):
    """Starts the edge that ships, on addresses of ours."""
    folder = stage.folder / "kamailio"
    shutil.copytree(tree / "deploy/kamailio", folder)
    secure.certificate(stage, folder, 30)
    site = (folder / "site.cfg").read_text()
    words = {"INNER": f"{INNER}:{INNER_SIP}", "OUTER_TLS": f"{OUTER}:{OUTER_TLS}", "OUTER": f"{OUTER}:{OUTER_SIP}"}
    texts = {"ENGINES": f"{FIRST}/32,{SECOND}/32", "CARRIERS": f"{CARRIER}/32", "PHONES": f"{HOST}/32", "CARRIER": f"sip:{CARRIER}:5090"}
    texts |= {"ENGINES_FILE": folder / "dispatcher.list", "TLS_FILE": folder / "tls.cfg", "CONTROL": f"unix:{folder}/ctl"}
    for word, value in words.items():
        site, changed = re.subn(rf'(?m)^(#!substdef "!{word})![^!]*!g"', rf'\1!{value}!g"', site)
        assert changed == 1, word
    for word, value in texts.items():
        site, changed = re.subn(rf'(?m)^(#!define {word}) ".*"', rf'\1 "{value}"', site)
        assert changed == 1, word
    (folder / "site.cfg").write_text(site)
    (folder / "dispatcher.list").write_text(f"1 sip:{FIRST}:{FIRST_SIP} 8 20\n1 sip:{SECOND}:{SECOND_SIP} 8 10\n")
    tls = (folder / "tls.cfg").read_text().replace("/etc/kamailio/fullchain.pem", str(folder / "chain.pem")).replace("/etc/kamailio/privkey.pem", str(folder / "key.pem"))
    (folder / "tls.cfg").write_text(tls)
    status, _ = stage.run("kamailio-check", ["kamailio", "-c", "-f", folder / "kamailio.cfg"], 20)
    if status != 0:
        raise Failed(f"kamailio -c: {stage.log('kamailio-check')[-1000:]}")
    process = stage.start("kamailio", ["kamailio", "-DD", "-E", "-f", folder / "kamailio.cfg", "-Y", folder, "-P", folder / "pid", "-m", 32, "-M", 8])
    stage.wait("the edge can be asked", 10, lambda: (folder / "ctl").exists())
    return process, folder


def control(stage, folder, *words):
    """What `kamcmd` answers."""
    return stage.run("kamcmd", ["kamcmd", "-s", f"unix:{folder}/ctl", *words], 10)[1]


def engines(stage, folder):
    """{address: flags} of the dispatcher: A active, I inactive, T trying, D taken out; P asked."""
    said = control(stage, folder, "dispatcher.list")
    return dict(zip(re.findall(r"URI: sip:(\S+)", said), re.findall(r"FLAGS: (\w+)", said)))


class Resident:
    """A caller of the carrier's network, as bare as can be: what it asks, and how long it waits for an answer."""

    def __init__(self, address, number, claims=""):
        """`claims`: further headers of the INVITE."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.at = f"{address}:{self.socket.getsockname()[1]}"
        self.number, self.claims = number, claims
        self.call = f"{time.monotonic()}@{address}"

    def _say(self, method, cseq, to, routes, target):
        text = f"{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {self.at};branch=z9hG4bK{method}{self.call};rport\r\nMax-Forwards: 70\r\n"
        text += "".join(f"Route: {route}\r\n" for route in routes)
        text += f"From: <sip:0449990001@{self.at}>;tag=resident\r\n{to}\r\nCall-ID: {self.call}\r\nCSeq: {cseq}\r\n"
        text += f"Contact: <sip:resident@{self.at}>\r\n"
        body = ""
        if method == "INVITE":
            host = self.at.split(":")[0]
            body = f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 7900 RTP/AVP 0\r\n"
            text += f"{self.claims}Content-Type: application/sdp\r\n"
        self.socket.sendto(f"{text}Content-Length: {len(body)}\r\n\r\n{body}".encode(), (OUTER, OUTER_SIP))

    def _hear(self, seconds):
        self.socket.settimeout(seconds)
        while (answer := self.socket.recv(65536).decode("utf-8", "replace")).startswith("SIP/2.0 1"):
            pass
        return answer

    def calls(self, seconds=10):
        """(status line, seconds until it, port of the engine that answered), and hangs up at once."""
        to, target, began = f"To: <sip:{self.number}@{OUTER}>", f"sip:{self.number}@{OUTER}:{OUTER_SIP}", time.monotonic()
        self._say("INVITE", "1 INVITE", to, [], target)
        try:
            answer = self._hear(seconds)
        except TimeoutError:
            return "no answer", seconds, None
        took = time.monotonic() - began
        to = re.search(r"(?mi)^To:.*$", answer).group(0).strip()
        if not answer.startswith("SIP/2.0 2"):
            self._say("ACK", "1 ACK", to, [], target)
            return answer.splitlines()[0], took, None
        routes = re.findall(r"(?mi)^Record-Route: *(.*?)\r?$", answer)[::-1]
        target = re.search(r"(?mi)^Contact: *<([^>]*)>", answer).group(1)
        self._say("ACK", "1 ACK", to, routes, target)
        self._say("BYE", "2 BYE", to, routes, target)
        ended = self._hear(5)
        return f"{answer.splitlines()[0]}, BYE: {ended.splitlines()[0]}", took, int(target.rsplit(":", 1)[1].split(";")[0])


def edge(stage, city, first_key, second_key, check_tone, check_quiet, check_path, number):
    proof = Proof("edge: deploy/kamailio in front of two engines: a phone by TLS, a carrier by UDP, and the second engine when the first is gone")
    second = Engine(
        stage, city.binary, city.tree, {}, sip=SECOND_SIP, admin=8081, lines=lines(city.tree), host=SECOND, name="second",
        settings="rtp_ports: 25000-25999", voice=city.state,
    )
    proxy, folder = kamailio(stage, city.tree)
    stage.wait("both engines answer the edge", 15, lambda: list(engines(stage, folder).values()) == ["AP", "AP"])
    talks(proof, stage, city, second, folder, first_key, second_key, check_tone, check_quiet, check_path, number)
    guards(proof, stage, number)
    dies(proof, stage, city, folder, number)
    second.end()
    stage.end(proxy)
    return proof.close()


def talks(proof, stage, city, second, folder, first_key, second_key, check_tone, check_quiet, check_path, number):
    """A call by way of the edge; meanwhile its engine is taken out, and what belongs to the call goes there all the same."""
    seen = wire.Wire(rtp_ports=[7000], sip_port=FIRST_SIP)
    ken = Baresip(
        stage, "ken", sip=6060, rtp=6100, control=6070, says_hz=440, server=city.server, password=city.passwords["ken"],
        transport="tls", trusts=folder / "chain.pem", outbound=f"sip:{OUTER}:{OUTER_TLS};transport=tls",
    )
    stage.wait("ken's baresip registers by TLS through the edge", 15, ken.registered)
    (stage.folder / "say.ulaw").write_bytes(sound.to_mu(sound.tone(1000, 4)))
    caller = sipp(
        stage, "edge-caller", "caller.xml", 7060, 7000, f"{OUTER}:{OUTER_SIP}", "-i", CARRIER, "-s", number, "-m", 1, "-aa", "-d", 12000,
        "-set", "first", int(first_key * 1000), "-set", "second", int(second_key * 1000), "-set", "stays", 0,
    )
    stage.wait("ken and the caller talk", 40, lambda: "Call established" in ken.log())
    control(stage, folder, "dispatcher.set_state", "ix", "1", f"sip:{city.server}")
    said, took, engine = Resident(CARRIER, number).calls()
    proof.check(engine == SECOND_SIP and "BYE: SIP/2.0 200" in said, f"with the first engine taken out, a new call goes to the second ({said}, after {took * 1000:.0f} ms)")
    proof.check(caller.wait(90) == 0, f"SIPp's call, which began at the first, went as its scenario says (exit {caller.returncode})")
    check_quiet(stage, city, proof)
    control(stage, folder, "dispatcher.set_state", "ax", "1", f"sip:{city.server}")
    seen.stop()
    ken.end()
    proof.check(stage.log("engine").count(" ERROR ") == 0 and not second.census()["calls_in_progress"], "and ended there; the second engine knows nothing of it")
    # The edge's questions (OPTIONS) have no answer but to the edge, either.
    past = Counter(target for _, source, target, _ in seen.sip if source == FIRST_SIP and target != INNER_SIP)
    proof.check(not past, f"{sum(source == FIRST_SIP for _, source, _, _ in seen.sip)} messages of the engine all went to the edge, {sum(past.values())} past it")
    registers = [text for _, source, _, text in seen.sip if source == INNER_SIP and text.startswith("REGISTER ")]
    granted = [text for _, source, _, text in seen.sip if source == FIRST_SIP and text.startswith("SIP/2.0 200") and wire.header(text, "cseq").endswith("REGISTER")]
    paths, back = {wire.header(text, "path") for text in registers}, {wire.header(text, "path") for text in granted}
    proof.check(len(paths) == 1 and paths == back and "transport%3Dtls" in str(paths), f"the Path that the edge wrote, {paths}, came back in the 200: {back}")
    called = [text for _, source, _, text in seen.sip if source == FIRST_SIP and text.startswith("INVITE ")]
    proof.check(bool(called) and all(wire.header(text, "route") in paths for text in called), f"ken was called along it: Route: {[wire.header(t, 'route') for t in called]}")
    ends = [text for _, source, _, text in seen.sip if source == FIRST_SIP and text.startswith(("BYE ", "ACK "))]
    routed = all(wire.header(text, "route").startswith(f"<sip:{INNER}:{INNER_SIP};") for text in ends)
    proof.check(bool(ends) and routed, f"{len(ends)} ACKs and BYEs of the engine followed Record-Route")
    check_tone(proof, "ken (baresip's recording)", ken.heard(), 1000, 5)
    check_tone(proof, "the caller (RTP at SIPp's port)", seen.audio(7000), 440, 5)
    check_path(proof, city)


def guards(proof, stage, number):
    """Who is nobody hears nothing; what a phone may not claim does not arrive."""
    said, _, _ = Resident(STRANGER, number).calls(seconds=2)
    proof.check(said == "no answer", f"a stranger's INVITE: {said}")
    seen = wire.Wire(sip_port=FIRST_SIP)
    for address in (HOST, CARRIER):
        Resident(address, number, f"P-Asserted-Identity: <sip:0440000119@{address}>\r\n").calls()
    time.sleep(0.3)
    seen.stop()
    asked = {wire.header(t, "contact").split("@")[1].split(":")[0]: wire.header(t, "p-asserted-identity") for _, _, target, t in seen.sip if target == FIRST_SIP and t.startswith("INVITE ")}
    proof.check(asked.get(HOST) == "" and "0119" in asked.get(CARRIER, ""), f"P-Asserted-Identity of a phone does not arrive, the carrier's does: {asked}")


def dies(proof, stage, city, folder, number):
    """kill -9 of the engine that works: how long callers wait, and when it is used again."""
    said, took, engine = Resident(CARRIER, number).calls()
    proof.check(engine == FIRST_SIP, f"calls go to the first engine ({said}, after {took * 1000:.0f} ms)")
    city.kill()
    killed = time.monotonic()
    answers = [Resident(CARRIER, number).calls() for _ in range(3)]
    waits = ", ".join(f"{took * 1000:.0f} ms" for _, took, _ in answers)
    proof.check(all(engine == SECOND_SIP for *_, engine in answers) and answers[0][1] <= SILENCE_MAX, f"killed: the next three callers are answered by the second after {waits} (bar {SILENCE_MAX * 1000:.0f} ms)")
    proof.check(answers[1][1] < 0.5, f"only the first of them waited; all done {time.monotonic() - killed:.1f} s after the kill")
    began = time.monotonic()
    city.again()
    stage.wait("the edge sees the first engine again", BACK_MAX, lambda: engines(stage, folder).get(city.server) == "AP")
    said, _, engine = Resident(CARRIER, number).calls()
    proof.check(engine == FIRST_SIP, f"{time.monotonic() - began:.1f} s after it was started again calls go to it ({said})")
