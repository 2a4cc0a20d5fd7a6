"""The proof for whoever watches: a day with its faults, seen by Debian's Prometheus through the rules and dashboards of the tree.

The rules are those that ship, their times divided by 60, so that a quarter of an hour is fifteen seconds. In each fault the right alarms fire and
no others. What cannot be hurried (a week ago, six hours, a day) is proven by `promtool test rules`.
"""

import json
import os
import pathlib
import re
import subprocess
import time

import picture
import sound
from outside import say
from phones import Baresip, sipp
from prometheus import Prometheus, plain, xtask
from stage import Failed, Proof

CHANNELS = 12
SETTINGS = f"calls_max: {CHANNELS}\n"
AGENTS = {"ken": None, "yuki": None} | {f"v{i}": "{ general: 3, ja: 5 }" for i in range(1, 5)}
# They tell of this machine, which runs other proofs at the same time.
OF_THE_MACHINE = {"SoundLate", "JournalLate", "SoundLost"}
# What nobody does in this day, so that there is nothing to see. Whoever makes it happen takes the line out.
QUIET = {
    "toritsugi_trunk_registered": "no trunk of the shipped city registers",
    "toritsugi_trunk_up": "no trunk of the shipped city is asked whether it works",
    "toritsugi_trunk_passed_over_total": "nobody is put through",
    "toritsugi_transfers_total": "nobody is put through",
    "toritsugi_line_places_in_use": "nobody is put through",
    "toritsugi_line_full_total": "nobody is put through",
    "toritsugi_tls_certificate_expires_timestamp_seconds": "no TLS",
    "toritsugi_wait_estimates_total": "nothing is said of waits before twenty calls were answered",
    "toritsugi:wait_estimates_inside:ratio_1h": "nothing is said of waits before twenty calls were answered",
    "toritsugi_overtakings_total": "nobody is more urgent",
    "toritsugi_prompts_missing_total": "no sentence is missing",
    "toritsugi_lookups_total": "nobody is asked",
    "toritsugi_voicemail_unheard": "nobody leaves a message",
    "toritsugi_voicemail_not_kept_total": "nobody leaves a message",
    'step!="0"': "nobody waits until a queue asks for less",
    "toritsugi_holidays_known_until_timestamp_seconds": "the calendar of the proofs has no holidays",
}


def checks(proof, stage, tree):
    """What promtool and amtool say of the files that ship, and whether runbooks name commands that there are."""
    deploy = tree / "deploy"
    commands = [
        ("promtool check rules", ["promtool", "check", "rules", *sorted((deploy / "prometheus/rules").glob("*.yml"))]),
        ("promtool check config", ["promtool", "check", "config", "--syntax-only", deploy / "prometheus.yml"]),
        ("amtool check-config", ["amtool", "check-config", deploy / "alertmanager/alertmanager.yml"]),
    ]
    for what, argv in commands:
        status, _ = stage.run(what.replace(" ", "-"), argv, 60, cwd=deploy)
        log = stage.log(what.replace(" ", "-"))
        proof.check(status == 0, f"{what}{'' if status == 0 else ': ' + ' '.join(log.split())[-600:]}")
    # A minute's work, done while the day goes on.
    return stage.start("promtool-test", ["promtool", "test", "rules", *sorted((deploy / "prometheus/tests").glob("*.yml"))], cwd=deploy)


def commands_exist(proof, stage, binary, tree):
    """Every `toritsugi COMMAND` of a runbook is one."""
    text = "".join(page.read_text() for page in (tree / "deploy/runbooks").glob("*.md"))
    named = set(re.findall(r"`toritsugi ((?:agent|notice|voicemail) [a-z]+|[a-z]+)", text))
    unknown = [command for command in named if stage.run("help", [binary, *command.split(), "--help"], 20)[0] != 0]
    proof.check(named and not unknown, f"the runbooks name {len(named)} commands of toritsugi{'' if not unknown else f', of which there are not: {unknown}'}")
    words = {(words[0], words[-1]) for words in (call.split(" ")[:3] for call in re.findall(r"`toritsugi ([^`]+)`", text)) if words}
    flags = set(re.findall(r"(--[a-z][a-z-]+)", " ".join(re.findall(r"`toritsugi ([^`]+)`", text))))
    helps = "".join(stage.run("help", [binary, *command.split(), "--help"], 20)[1] for command in named)
    strange = {flag for flag in flags if flag not in helps}
    proof.check(words and not strange, f"and {len(flags)} of their options{'' if not strange else f', of which there are not: {strange}'}")


class Day:
    """The faults of a day, one after the other."""

    def __init__(self, proof, stage, city, prometheus):
        self.proof, self.stage, self.city, self.prometheus = proof, stage, city, prometheus

    def fault(self, what, expected, act, seconds=30):
        """Does something, and waits until exactly these alarms have fired; then until none does."""
        since = self.prometheus.now("time()")[0]["value"][0]
        began = time.monotonic()
        clear = act()
        seen, when = set(), None
        until = time.monotonic() + seconds
        while time.monotonic() < until and not expected <= seen:
            seen |= self.prometheus.firing()
            time.sleep(0.5)
        when = time.monotonic() - began
        if clear:
            clear()
        calm = True
        try:
            self.stage.wait("no alarm fires any more", 40, lambda: not self.prometheus.firing() - OF_THE_MACHINE)
        except Failed:
            calm = False
        seen = self.prometheus.fired(since)
        for name in sorted(seen & OF_THE_MACHINE - expected):
            self.proof.measure(f"note: {name} fired; it tells of this machine, on which other proofs run")
        seen -= OF_THE_MACHINE - expected
        wrong = "" if seen == expected else f" and not {', '.join(sorted(expected)) or 'none'}"
        self.proof.check(seen == expected, f"{what}: {', '.join(sorted(seen)) or 'no alarm'}{wrong} ({when:.0f} s)")
        self.proof.check(calm, f"{what}: over {time.monotonic() - began:.0f} s after it began{'' if calm else f', no: {self.prometheus.firing()}'}")

    def caller(self, name, sip, media, talks, number, first, second):
        """A resident who presses 1 and 0 and talks so many seconds, if somebody is there."""
        folder = say(self.stage, name, 1000)
        return sipp(
            self.stage, name, "caller.xml", sip, media, self.city.server, "-s", number, "-m", 1, "-aa", "-d", int(talks * 1000),
            "-set", "first", int(first * 1000), "-set", "second", int(second * 1000), "-set", "stays", 0, folder=folder,
        )


def watch(stage, city, tree, first_key, second_key, number):
    """A scripted day with five faults, watched by Prometheus."""
    proof = Proof("watch: Prometheus watches a day with its faults; the right alarms fire and no others")
    tests = checks(proof, stage, tree)
    commands_exist(proof, stage, city.binary, tree)
    rules = stage.folder / "rules"
    xtask(stage, tree, "watch", "--divided", "60", "--to", rules)
    expressions = json.loads(xtask(stage, tree, "watch", "--expressions"))

    phone = {}

    def signs_in(name, sip, rtp, control, hz):
        folder = stage.folder / f"baresip-{name}"
        if folder.exists():
            folder.rename(stage.folder / f"baresip-{name}-before")
        phone[name] = Baresip(stage, name, sip=sip, rtp=rtp, control=control, says_hz=hz, server=city.server, password=city.passwords[name], seconds=300)
        stage.wait(f"{name} registers", 15, phone[name].registered)

    signs_in("ken", 6060, 6100, 6070, 440)
    signs_in("yuki", 6560, 6600, 6570, 620)
    prometheus = Prometheus(stage, city, rules)
    # It began before its first scrape, when the engine was not there for it.
    stage.wait("no alarm fires", 15, lambda: not prometheus.firing())
    day = Day(proof, stage, city, prometheus)

    def ordinary():
        one = day.caller("ordinary", 7060, 7000, 8, number, first_key, second_key)
        stage.wait("ken talks", 40, lambda: city.metrics().get('toritsugi_agents{state="talking"}') == 1)
        proof.check(one.wait(60) == 0, f"a caller is served (SIPp's exit {one.returncode})")

    day.fault("an ordinary call", set(), ordinary, 1)

    def cut_off():
        calls = sipp(stage, "cut-off", "short.xml", 7160, 7100, city.server, "-s", number, "-m", 60, "-r", 5, "-d", 1000)
        return lambda: calls.wait(30)

    day.fault("a line that hangs up after 1 s", {"ShortCalls"}, cut_off)

    def vanish():
        talks = day.caller("talks", 7260, 7200, 16, number, first_key, second_key)
        stage.wait("ken talks", 40, lambda: city.metrics().get('toritsugi_agents{state="talking"}') == 1)
        # ken talks still when the second caller comes to the queue, and phones that are not there any more are all that is free.
        for i in range(1, 5):
            at = [6700 + 10 * i, 6800 + 10 * i, city.server, "-s", f"v{i}", "-m", 1, "-au", f"v{i}", "-ap", city.passwords[f"v{i}"]]
            if sipp(stage, f"register-v{i}", "register.xml", *at).wait(15) != 0:
                raise Failed(f"v{i} could not register")
        return lambda: talks.wait(60)

    waits = []

    def vanish_with_a_caller():
        waits.append(day.caller("waits", 7360, 7300, 30, number, first_key + 1.5, second_key))
        return vanish()

    day.fault("phones that vanish", {"PhonesVanish", "LongWait"}, vanish_with_a_caller, 40)
    for caller in waits:
        proof.check(caller.wait(60) == 0, f"who waited while phones were dead was not lost (SIPp's exit {caller.returncode})")

    def signs_out():
        phone["yuki"].end()
        return lambda: signs_in("yuki", 6560, 6600, 6570, 620)

    day.fault("the nurse signs out", {"NoNurse"}, signs_out)

    def spoils():
        flow = city.flows / "city.yaml"
        text = flow.read_text()
        flow.write_text(text + "\nsteps_of_nobody: [\n")
        return lambda: flow.write_text(text)

    day.fault("a flow with a mistake", {"ChangeRefused"}, spoils, 60)

    def fills():
        crowd = sipp(
            stage, "crowd", "listener.xml", 7460, 7400, city.server, "-s", number, "-m", CHANNELS + 3, "-r", CHANNELS + 3, "-d", 16000, folder=say(stage, "crowd", 900)
        )
        return lambda: crowd.wait(60)

    day.fault("more callers than channels", {"AllChannelsBusy", "ChannelsNearlyFull", "ChannelsHigh"}, fills)

    said = "every alarm fires in its hour and is quiet in the other" if tests.wait(300) == 0 else stage.log("promtool-test")[-2000:]
    proof.check(tests.returncode == 0, f"promtool test rules: {said}")
    every_expression(proof, prometheus, expressions)
    every_rule(proof, prometheus)
    series(proof, prometheus)
    folder = os.environ.get("TORITSUGI_PICTURES")
    if folder:
        for dashboard in sorted((tree / "deploy/grafana/dashboards").glob("*.json")):
            picture.draw(stage, prometheus, dashboard, pathlib.Path(folder))
    for one in phone.values():
        one.end()
    stage.end(prometheus.process)
    return proof.close()


NAME = re.compile(r"\b(?:toritsugi|process)[a-z_:0-9]*")


def names(expr):
    return set(NAME.findall(re.sub(r'"[^"]*"', "", expr)))


def every_expression(proof, prometheus, expressions):
    """What no panel shows is quiet on purpose; and what is quiet on purpose is shown by no panel."""
    empty, woken = [], set()
    for asked in expressions:
        rows = prometheus.since(plain(asked["expr"]), prometheus.began, step=2)
        if not rows and not names(asked["expr"]) & QUIET.keys() and not any(part in asked["expr"] for part in QUIET):
            empty.append(f"{asked['dashboard']} {asked['panel']}: {asked['expr']}")
    for name in (name for name in QUIET if NAME.fullmatch(name)):
        if prometheus.since(f'{{__name__=~"{name}(_bucket)?"}}', prometheus.began, step=2):
            woken.add(name)
    proof.check(not empty, f"{len(expressions)} expressions of panels have data or are quiet on purpose{''.join(chr(10) + '           no data: ' + e for e in empty)}")
    proof.check(not woken, f"{len(QUIET)} series are quiet on purpose{'' if not woken else f', and are there: {sorted(woken)}'}")


def every_rule(proof, prometheus):
    """Prometheus could work out each rule; the recorded ones have data, and alarms watch what is there, or both are quiet on purpose."""
    rules, empty = prometheus.rules(), []
    ill = [rule["name"] for rule in rules if rule["health"] != "ok"]
    for rule in rules:
        for name in [rule["name"]] if rule["type"] == "recording" else names(rule["query"]):
            there = prometheus.since(name, prometheus.began, step=2)
            if not there and not (names(rule["query"]) | {name}) & QUIET.keys():
                empty.append(f"{rule['name']}: {name}")
    proof.check(not ill, f"Prometheus works out {len(rules)} rules{'' if not ill else f', but not {ill}'}")
    proof.check(not empty, f"each of them has data or is quiet on purpose{''.join(chr(10) + '           no data: ' + e for e in sorted(set(empty)))}")


def series(proof, prometheus):
    count = int(prometheus.now('count({__name__=~"toritsugi_.*"})')[0]["value"][1])
    took = float(prometheus.now('max_over_time(scrape_duration_seconds{job="toritsugi"}[5m])')[0]["value"][1])
    proof.check(count < 2000, f"{count} series of the engine, the longest scrape took {took * 1000:.0f} ms")
