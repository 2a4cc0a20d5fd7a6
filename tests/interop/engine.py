"""The engine as its users see it: files, a command line, /healthz and /metrics. The proofs know nothing else of it.

It runs on a copy of the city that ships: the same flow and sentences, but open at every hour, with short after-call work, and with
agents whom the proofs can play. Digest offers MD5 alone, because baresip 1.0 gives up when SHA-256 stands beside it (it fails with
"Function not implemented"), and SIPp 3.6 knows no other.
"""

import json
import os
import pathlib
import re
import secrets
import shutil
import urllib.error
import urllib.request

from phones import HOST
from stage import Failed

NUMBER = "0440000000"
WRAP_UP = 1.0  # seconds
ALIVE = ["calls_in_progress", "call_legs", "sip_dialogs", "sip_transactions", "tickets", "rtp_ports", "timers"]
KEPT = pathlib.Path(os.environ["TORITSUGI_VOICE"]) if "TORITSUGI_VOICE" in os.environ else None
VOICE = ("speech", "prompts")
CALENDAR = """\
timezone: Asia/Tokyo
schedules:
  centre:
    weekly: { mon-sun: "00:00-24:00" }
"""


class Engine:
    def __init__(self, stage, binary, tree, agents, sip=5060, admin=8080, settings="", lines=None, own_flows=False, host=HOST, name="engine", voice=KEPT):
        """`agents` maps a name to its skills, as one writes them in config/agents.yaml; None for an agent of the city that ships.
        `settings` are lines of config/engine.yaml, instead of those that ship; `lines` take the place of config/lines.yaml; `own_flows` are a
        copy that may be spoiled. A second engine has a `name`, and a folder of that name. `voice` is a folder of sentences spoken before."""
        self.stage, self.binary, self.tree, self.sip, self.admin, self.name = stage, binary, tree, sip, admin, name
        self.server = f"{host}:{sip}"
        folder = stage.folder if name == "engine" else stage.folder / name
        self.state, self.config = folder / "state", folder / "config"
        self.state.mkdir(parents=True, exist_ok=True)
        shutil.copytree(tree / "config", self.config)
        self._overlay(agents, settings)
        if lines:
            (self.config / "lines.yaml").write_text(lines)
        self.flows = tree / "flows"
        if own_flows:
            self.flows = folder / "flows"
            shutil.copytree(tree / "flows", self.flows)
        self.files = ["--config", self.config, "--flows", self.flows, "--state", self.state]
        self.passwords = {name: secrets.token_hex(8) for name in agents}
        for name, password in self.passwords.items():
            status, said = stage.run(f"password-{name}", [binary, "agent", "password", name] + self.files, 30, text=password + "\n")
            if status != 0:
                raise Failed(f"`agent password {name}` ended with {status}: {said or stage.log(f'password-{name}')}")
        self._serve = [binary, "serve"] + self.files + ["--listen", self.server, "--admin", f"{HOST}:{admin}"]
        self._bring(voice)
        self.process = stage.start(self.name, self._serve)
        stage.wait("the engine says it is healthy", 240, self._healthy)

    def _bring(self, voice):
        """The first start speaks every sentence of the city, which takes most of a minute of two cores, and keeps the sound in the state folder. Where
        one proof has had that done (TORITSUGI_VOICE names a folder for it), the others begin as an engine does that was started before."""
        for part in VOICE:
            if voice and (voice / part).is_dir():
                shutil.copytree(voice / part, self.state / part)

    def _keep_voice(self):
        if KEPT and not KEPT.exists() and all((self.state / part).is_dir() for part in VOICE):
            beside = KEPT.with_name(f"{KEPT.name}-{os.getpid()}")
            for part in VOICE:
                shutil.copytree(self.state / part, beside / part)
            try:
                beside.rename(KEPT)
            except OSError:  # another lane was quicker
                shutil.rmtree(beside)

    def _overlay(self, agents, more):
        (self.config / "calendar.yaml").write_text(CALENDAR)
        with open(self.config / "agents.yaml", "a") as file:
            for i, (name, skills) in enumerate(agents.items(), 1):
                if skills:
                    file.write(f'{name}: {{ extension: "{300 + i}", skills: {skills} }}\n')
        queues = self.config / "queues.yaml"
        queues.write_text(re.sub(r"wrap_up: \w+", f"wrap_up: {WRAP_UP:.0f}s", queues.read_text()))
        settings = self.config / "engine.yaml"
        text = settings.read_text()
        for line in ["digest: [md5]"] + more.splitlines():
            word = line.split(":")[0]
            text, changed = re.subn(rf"(?m)^{word}:.*$", line, text)
            text += "" if changed else f"\n{line}\n"
        settings.write_text(text)

    def _healthy(self):
        if self.process.poll() is not None:
            raise Failed(f"the engine ended with {self.process.returncode} before it was ready: {self.stage.log(self.name)[-2000:]}")
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.admin}/healthz", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def probe(self, path):
        """(status, text) of /livez, /readyz or /healthz."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.admin}/{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def metrics(self):
        """{name{labels}: value} of /metrics."""
        with urllib.request.urlopen(f"http://{HOST}:{self.admin}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))}

    def census(self):
        """How many of each thing are alive, by the names of the gauges."""
        metrics = self.metrics()
        return {name: int(metrics[f"toritsugi_{name}"]) for name in ALIVE}

    def quiet(self):
        """The census once all is quiet, or None while something is still alive."""
        census = self.census()
        return census if not any(census.values()) else None

    def calls(self):
        """What `toritsugi calls` says of the calls so far, in the order in which they came."""
        said = self._ask("calls", ["calls", "--state", self.state, "--json", "--limit", "1000"])
        return sorted((json.loads(line) for line in said.splitlines()), key=lambda call: call["call"])

    def verify(self):
        """What `toritsugi verify` says of the journal."""
        return self._ask("verify", ["verify", "--state", self.state]).strip()

    def _ask(self, name, argv):
        status, said = self.stage.run(name, [self.binary] + argv, 60)
        if status != 0:
            raise Failed(f"`toritsugi {name}` ended with {status}: {self.stage.log(name)}")
        return said

    def kill(self):
        """kill -9: no word to anybody."""
        self.process.kill()
        self.process.wait()

    def again(self, env=None, more=()):
        """A new process on the same state, with these environment variables beside those that there are, and more of a command line."""
        self.process = self.stage.start(f"{self.name}-again", [*self._serve, *more], env=os.environ | env if env else None)
        self.stage.wait("the engine is healthy again", 60, self._healthy)

    def end(self):
        status = self.stage.end(self.process, 20)
        self._keep_voice()
        return status
