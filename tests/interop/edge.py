"""A Kamailio in front of the engine: phones register through it, calls come and go through it, and the engine never speaks past it."""

from collections import Counter

import sound
import wire
from phones import HERE, HOST, Baresip, sipp
from stage import Proof

EDGE = 5080


def kamailio(stage, engine):
    """Starts one on port `EDGE` that passes everything to `engine`."""
    text = (HERE / "scenarios" / "kamailio.cfg").read_text()
    host, port = engine.rsplit(":", 1)
    text = text.replace("ENGINE_HOST", host).replace("ENGINE_PORT", port).replace("ENGINE", engine).replace("EDGE", f"{HOST}:{EDGE}")
    config = stage.folder / "kamailio.cfg"
    config.write_text(text)
    process = stage.start("kamailio", ["kamailio", "-DD", "-E", "-f", config, "-Y", stage.folder, "-P", stage.folder / "kamailio.pid", "-m", 32, "-M", 8])
    return process


def edge(stage, city, first_key, second_key, check_tone, check_quiet, check_path, number):
    proof = Proof("edge: a Kamailio stands in front; a phone registers and is called, and a caller comes, through it (Path, Record-Route)")
    proxy = kamailio(stage, city.server)
    seen = wire.Wire(rtp_ports=[7000], sip_port=city.sip)
    ken = Baresip(
        stage, "ken", sip=6060, rtp=6100, control=6070, says_hz=440, server=city.server, password=city.passwords["ken"], outbound=f"sip:{HOST}:{EDGE}"
    )
    stage.wait("ken's baresip registers through the edge", 15, ken.registered)
    (stage.folder / "say.ulaw").write_bytes(sound.to_mu(sound.tone(1000, 4)))
    caller = sipp(
        stage, "edge-caller", "caller.xml", 7060, 7000, f"{HOST}:{EDGE}", "-s", number, "-m", 1, "-aa", "-d", 12000,
        "-set", "first", int(first_key * 1000), "-set", "second", int(second_key * 1000), "-set", "stays", 0,
    )
    proof.check(caller.wait(90) == 0, f"SIPp's call went as its scenario says (exit {caller.returncode})")
    check_quiet(stage, city, proof)
    seen.stop()
    ken.end()
    stage.end(proxy)
    past = Counter(target for _, source, target, _ in seen.sip if source == city.sip and target != EDGE)
    proof.check(not past, f"{sum(source == city.sip for _, source, _, _ in seen.sip)} messages of the engine all went to the edge, {sum(past.values())} past it")
    registers = [text for _, source, _, text in seen.sip if source == EDGE and text.startswith("REGISTER ")]
    granted = [text for _, source, _, text in seen.sip if source == city.sip and text.startswith("SIP/2.0 200") and wire.header(text, "cseq").endswith("REGISTER")]
    paths, back = {wire.header(text, "path") for text in registers}, {wire.header(text, "path") for text in granted}
    proof.check(len(paths) == 1 and paths == back and paths != {""}, f"the Path that the edge wrote, {paths}, came back in the 200: {back}")
    called = [text for _, source, _, text in seen.sip if source == city.sip and text.startswith("INVITE ")]
    proof.check(bool(called) and all(wire.header(text, "route") in paths for text in called), f"ken was called along it: Route: {[wire.header(t, 'route') for t in called]}")
    ends = [text for _, source, _, text in seen.sip if source == city.sip and text.startswith(("BYE ", "ACK "))]
    routed = all(wire.header(text, "route").startswith(f"<sip:{HOST}:{EDGE};") for text in ends)
    proof.check(bool(ends) and routed, f"{len(ends)} ACKs and BYEs of the engine followed Record-Route")
    check_tone(proof, "ken (baresip's recording)", ken.heard(), 1000, 5)
    check_tone(proof, "the caller (RTP at SIPp's port)", seen.audio(7000), 440, 5)
    check_path(proof, city)
    return proof.close()
