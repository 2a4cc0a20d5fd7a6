"""What a call costs: the engine's CPU for setting one up and tearing it down, and what it does when five times as many come as it admits.

Measures, and so runs by its name only, on a machine that does nothing else. Asserts with slack; the figures are for the reader.
"""

import csv
import os
import pathlib
import time

from engine import Engine
from phones import HERE, HOST
from stage import Failed, Proof

RATE, SECONDS = 300, 20  # calls/s, and for how long
CPU_MS = 0.20  # the bar for one call
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(process):
    """User and system time of a program so far; None once it is gone."""
    try:
        fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / TICKS


def by_thread(process):
    """CPU seconds of each thread so far, by its name; threads of one name together."""
    seconds = {}
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        name, rest = (task / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
        fields = rest.split()
        seconds[name] = seconds.get(name, 0) + (int(fields[11]) + int(fields[12])) / TICKS
    return seconds


def scenario(stage, hears):
    """SIPp's scenario of a short call; a caller who does not want to hear anything offers so, and is played nothing."""
    text = (HERE / "scenarios" / "short.xml").read_text()
    file = stage.folder / ("hears.xml" if hears else "deaf.xml")
    file.write_text(text if hears else text.replace("a=ptime:20", "a=ptime:20\na=sendonly"))
    return file


def flood(stage, city, name, number, rate, calls, at_once, port, hears=True):
    """Calls that hang up as soon as they are answered, `rate` of them each second. SIPp's figures by their names, its CPU seconds, and how long it took."""
    stats = stage.folder / f"{name}.csv"
    argv = ["sipp", city.server, "-sf", scenario(stage, hears), "-i", HOST, "-mi", HOST, "-p", port, "-mp", port + 2, "-s", number]
    argv += ["-nostdin", "-timer_resol", 1, "-buff_size", 4194304, "-trace_stat", "-stf", stats, "-fd", 1, "-nr" if at_once is None else "-l", at_once or ""]
    argv = [a for a in argv if a != ""] + ["-d", 0, "-r", rate, "-m", calls, "-recv_timeout", 20000]
    began, used = time.monotonic(), 0.0
    process = stage.start(name, argv)
    while process.poll() is None and time.monotonic() - began < 180:
        used = cpu_seconds(process) or used
        time.sleep(0.2)
    took = time.monotonic() - began
    stage.end(process)
    with open(stats, encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    return rows, used, took


def sums(rows):
    """Successful and failed calls and repeated messages, of all the time that the rows tell of."""
    last = rows[-1]
    return int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"]), int(last["Retransmissions(C)"])


def load():
    return pathlib.Path("/proc/loadavg").read_text().split()[0]


def cost(stage, city, number):
    """300 calls a second, each answered, acknowledged and hung up at once: without a prompt, as the bar has it, and with our number's greeting."""
    proof = Proof(f"cost: {RATE} calls/s for {SECONDS} s, each hung up as soon as it is answered")
    rest(stage, city)
    flood(stage, city, "warm-up", number, 100, 300, None, 7600)
    time.sleep(2)
    for name, port, hears in (("no prompt", 7700, False), ("with the first of a greeting", 7750, True)):
        before, threads = cpu_seconds(city.process), by_thread(city.process)
        rows, generator, took = flood(stage, city, name.replace(" ", "-"), number, RATE, RATE * SECONDS, None, port, hears)
        after = cpu_seconds(city.process)
        good, bad, again = sums(rows)
        each = (after - before) * 1000 / max(good, 1)
        proof.check(good == RATE * SECONDS and bad == 0, f"{name}: {good} calls answered and ended, {bad} failed, in {took:.1f} s")
        proof.check(again == 0, f"SIPp sent {again} messages again")
        proof.check(each <= 10 * CPU_MS, f"the engine took {each:.3f} ms of CPU for each call (bar {CPU_MS:.2f} ms; SIPp took {generator * 1000 / max(good, 1):.3f} ms; load {load()})")
        shares = {name: (used - threads.get(name, 0)) * 1000 / max(good, 1) for name, used in by_thread(city.process).items()}
        proof.measure("ms by thread: " + ", ".join(f"{name} {ms:.3f}" for name, ms in sorted(shares.items(), key=lambda s: -s[1]) if ms >= 0.001))
        time.sleep(2)
    stage.wait("nothing is left of the calls", 45, city.quiet)
    return proof.close()


ROUNDS, ROUND = 5, 6  # how often each of two engines is measured, and for how many seconds


def against(stage, city, number):
    """The same calls by turns with another binary. A machine that is shared drifts by half within an hour; two engines on it drift together."""
    proof = Proof(f"against: {RATE} calls/s for {ROUND} s, {ROUNDS} times, by turns with the engine that TORITSUGI_BEFORE names")
    binary = os.environ.get("TORITSUGI_BEFORE")
    if not binary:
        raise Failed("TORITSUGI_BEFORE=FILE names the binary to compare with")
    engines = {"before": Engine(stage, pathlib.Path(binary).resolve(), city.tree, {}, sip=5070, admin=8081, name="before"), "now": city}
    took = {name: [] for name in engines}
    for engine in engines.values():
        rest(stage, engine)
        flood(stage, engine, "warm-up", number, 100, 300, None, 7600)
    for turn in range(ROUNDS):
        for at, (name, engine) in enumerate(engines.items()):
            before = ran(engine.process)
            rows, _, _ = flood(stage, engine, f"{name}-{turn}", number, RATE, RATE * ROUND, None, 7700 + 20 * turn + 10 * at, hears=False)
            time.sleep(0.3)
            good, bad, again = sums(rows)
            took[name].append((ran(engine.process) - before) / 1e6 / max(good, 1))
            if bad or again:
                said = f"{name}: {bad} of {good + bad} calls failed, {again} messages were sent again"
                proof.check(False, said) if name == "now" else proof.measure(said)
    least, middle = ({name: pick(figures) for name, figures in took.items()} for pick in (min, lambda figures: sorted(figures)[ROUNDS // 2]))
    for name, figures in took.items():
        proof.measure(f"{name}: {middle[name]:.3f} ms of CPU a call, least {least[name]:.3f} ({', '.join(f'{ms:.3f}' for ms in figures)})")
    proof.check(middle["now"] < 2 * middle["before"], f"now takes {middle['now'] / middle['before']:.2f} of what it took before (least {least['now'] / least['before']:.2f}; load {load()})")
    engines["before"].end()
    return proof.close()


ADMITTED, OFFERED, STORM = 100, 500, 60  # calls/s, calls/s, seconds


# Beyond the settings of a city: as many as this machine may have at once, so that only the limit of each second speaks.
SETTINGS = f"calls_per_second: {ADMITTED}\n"


def storm(stage, city, number):
    """Five times as many calls as the engine admits, for a minute; then as many as it admits again."""
    proof = Proof(f"storm: {OFFERED} calls/s for {STORM} s against an engine that admits {ADMITTED}/s")
    before = cpu_seconds(city.process)
    rows, generator, took = flood(stage, city, "storm", number, OFFERED, OFFERED * STORM, None, 7800)
    after = cpu_seconds(city.process)
    good, bad, again = sums(rows)
    share = (after - before) / took
    proof.check(good >= 0.9 * ADMITTED * STORM, f"{good / took:.1f} calls/s got through, {bad} of {good + bad} were refused, SIPp sent {again} messages again")
    proof.measure(f"the engine took {share:.1%} of a core, SIPp {generator / took:.1%} (load {load()})")
    time.sleep(5)
    rows, _, _ = flood(stage, city, "after", number, ADMITTED * 9 // 10, ADMITTED * 9, None, 7900)
    good, bad, again = sums(rows)
    proof.check(bad == 0 and again == 0, f"5 s later: {good} calls at {ADMITTED * 9 // 10}/s answered, {bad} refused, {again} messages sent again")
    stage.wait("nothing is left of the calls", 45, city.quiet)
    return proof.close()


# Callers who only listen, in three steps, and phones that also speak: their number at once, and for how long each is watched.
LISTENERS, TALKERS, WATCHED = (100, 300, 500), 40, 15.0


# More calls than ship, and as many of one number as like.
ROOM = f"calls_max: {LISTENERS[-1] + 100}\ncalls_per_number: 1000\n"


def ran(process):
    """Nanoseconds that a program's threads have run, as the scheduler counts them: what others do meanwhile is not in it."""
    total = 0
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            pass
    return total


def rest(stage, city):
    """Waits until a first start has spoken all that it speaks ahead."""

    def rests():
        before = ran(city.process)
        time.sleep(1)
        return ran(city.process) - before < 3e7

    stage.wait("the engine rests", 120, rests)


def watched(city):
    """(percent of a core, MB resident) over the next seconds."""
    before, began = ran(city.process), time.monotonic()
    time.sleep(WATCHED)
    share = (ran(city.process) - before) / 1e7 / (time.monotonic() - began)
    return share, city.metrics()["process_resident_memory_bytes"] / 1e6


def scrape(city):
    """The longest of ten scrapes of Prometheus, in ms."""
    took = []
    for _ in range(10):
        began = time.monotonic()
        city.metrics()
        took.append((time.monotonic() - began) * 1000)
    return max(took)


def size(stage, city, number):
    """What calls in progress take: of a core, of memory and of the disk."""
    proof = Proof("size: calls in progress, and what they take")
    rest(stage, city)
    idle, base = watched(city)
    proof.measure(f"no call: {idle:.1f} % of a core, {base:.0f} MB (load {load()})")
    for i, calls in enumerate(LISTENERS):
        argv = ["sipp", city.server, "-sf", HERE / "scenarios" / "short.xml", "-i", HOST, "-mi", HOST, "-p", 8100 + i, "-mp", 8200 + 100 * i, "-s", number, "-nostdin"]
        listeners = stage.start(f"listeners-{calls}", argv + ["-d", int((calls / 100 + WATCHED + 5) * 1000), "-r", 100, "-m", calls, "-l", calls])
        stage.wait(f"{calls} calls are up", 20, lambda: city.census()["calls_in_progress"] == calls)
        share, memory = watched(city)
        longest = scrape(city)
        up = city.census()["calls_in_progress"]
        proof.check(up == calls, f"{calls} calls that listen: {share:.1f} % of a core, {(share - idle) / calls * 10000:.0f} us a second and call; {(memory - base) * 1000 / calls:.0f} kB a call")
        proof.check(longest < 500, f"the longest of ten scrapes took {longest:.1f} ms (bar 50 ms at 500 calls; load {load()})")
        proof.check(listeners.wait(60) == 0, f"all of them ended well (exit {listeners.returncode})")
        stage.wait("nothing is left of the calls", 45, city.quiet)
    phones = [stage.start(f"talker-{n}", [city.binary, "call", f"sip:{number}@{city.server}", "--seconds", int(WATCHED + 20), "--tone", 300]) for n in range(TALKERS)]
    stage.wait("the phones talk", 20, lambda: city.census()["calls_in_progress"] == TALKERS)
    share, _ = watched(city)
    proof.check(city.census()["calls_in_progress"] == TALKERS, f"{TALKERS} calls with sound both ways: {share:.1f} % of a core, {(share - idle) / TALKERS * 10000:.0f} us a second and call (load {load()})")
    proof.check(all(phone.wait(60) == 0 for phone in phones), "all of them ended well")
    stage.wait("nothing is left of the calls", 45, city.quiet)
    kept, calls = sum(f.stat().st_size for f in (city.state / "journal").iterdir()), len(city.calls())
    proof.measure(f"journal: {kept / calls:.0f} bytes a call of this kind, {calls} calls")
    return proof.close()
