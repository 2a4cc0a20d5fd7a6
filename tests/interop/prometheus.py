"""Debian's Prometheus, started on the rules of the tree and asked over HTTP."""

import json
import os
import pathlib
import re
import urllib.error
import urllib.parse
import urllib.request

from phones import HOST
from stage import Failed

PORT = 9090
CONFIG = """\
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: [{rules}/*.yml]
scrape_configs:
  - job_name: toritsugi
    static_configs: [{{ targets: ["{engine}"] }}]
"""


class Prometheus:
    def __init__(self, stage, city, rules):
        self.stage, self.began = stage, None
        config = stage.folder / "prometheus.yml"
        config.write_text(CONFIG.format(rules=rules, engine=f"{HOST}:{city.admin}"))
        self.process = stage.start(
            "prometheus", ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={stage.folder / 'tsdb'}", f"--web.listen-address={HOST}:{PORT}"]
        )
        stage.wait("Prometheus is ready", 30, self._ready)
        stage.wait("Prometheus sees the engine", 15, lambda: self.now('up{job="toritsugi"} == 1'))
        self.began = self.now("time()")[0]["value"][0]

    def _ready(self):
        if self.process.poll() is not None:
            raise Failed(f"Prometheus ended with {self.process.returncode}: {self.stage.log('prometheus')[-1500:]}")
        try:
            with urllib.request.urlopen(f"http://{HOST}:{PORT}/-/ready", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def _ask(self, path, **what):
        try:
            with urllib.request.urlopen(f"http://{HOST}:{PORT}/api/v1/{path}?{urllib.parse.urlencode(what)}", timeout=20) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as fault:
            raise Failed(f"Prometheus does not understand {what}: {fault.read().decode()[:300]}") from fault

    def now(self, expr):
        """The answer at this moment: a list of {metric, value}."""
        answer = self._ask("query", query=expr)
        return [{"metric": {}, "value": answer["result"]}] if answer["resultType"] in ("scalar", "string") else answer["result"]

    def since(self, expr, since, until=None, step=1):
        """The answers since a moment: a list of {metric, values}."""
        until = until or self.now("time()")[0]["value"][0]
        return self._ask("query_range", query=expr, start=since, end=until, step=step)["result"]

    def firing(self):
        """The names of the alarms that fire at this moment."""
        return {row["metric"]["alertname"] for row in self.now('ALERTS{alertstate="firing"}')}

    def fired(self, since):
        """The names of those that fired at any moment since."""
        return {row["metric"]["alertname"] for row in self.since('ALERTS{alertstate="firing"}', since)}

    def rules(self):
        """Every rule as Prometheus judges it."""
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]


def plain(expr):
    """An expression of a dashboard as it is with every variable at *All*, and short windows."""
    return re.sub(r"\$(number|queue|trunk)", ".*", expr.replace("$__rate_interval", "10s"))


def xtask(stage, tree, *argv):
    """Runs an errand of the house that ./run has built, and returns what it said."""
    program = os.environ.get("TORITSUGI_XTASK") or pathlib.Path(tree) / "target/release/xtask"
    status, said = stage.run("xtask", [program, *argv], 60)
    if status != 0:
        raise Failed(f"xtask {' '.join(map(str, argv))} ended with {status}: {stage.log('xtask')}")
    return said
