"""The interface for programs, held to its own document by somebody else's fuzzer.

Schemathesis reads `/api/openapi.json` and sends what fits it and what does not: with the root token, with one of each role, and with none. Whatever it
sends, no answer is a fault of ours (5xx), and each has a status, a kind and a shape that the document tells. Nothing of it is random: two runs of
one version send the same.
"""

import json
import os
import re
import time
import urllib.error
import urllib.request

from phones import HOST
from stage import Proof

# Phases, requests of the fuzzing phase for each route, and requests at least. The coverage phase, every edge of every shape, is for root alone: the
# others are turned away from most doors.
ROOT, OTHERS = ("coverage,fuzzing", 15, 300), ("fuzzing", 8, 30)
ROLES = {"viewer": [], "agent": ["--agent", "ken"], "supervisor": [], "operator": [], "auditor": []}
# What every answer is held to.
CONFORMS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# With the root token also: what does not fit the document is refused, other methods are 405 with Allow, nobody without a token is answered.
# Left out is positive_data_acceptance: a schedule or an agent may have the right shape and not be in the city, which is 422 or 404.
STRICT = CONFORMS + ",negative_data_rejection,unsupported_method,allow_header_conformance,ignored_auth,missing_required_header"


def ask(city, path, token, body=None):
    """(status, text) of one request under /api/."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"http://{HOST}:{city.admin}/api/{path}", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def fuzz(stage, city, who, token):
    """Starts Schemathesis with this token."""
    argv = [os.environ["TORITSUGI_SCHEMATHESIS"], "run", f"http://{HOST}:{city.admin}/api/openapi.json", "--no-color"]
    phases, examples, _ = ROOT if who == "root" else OTHERS
    argv += ["--generation-deterministic", "--no-shrink", "--continue-on-failure", "--warnings", "off", "--request-timeout", 10]
    argv += ["--phases", phases, "--max-examples", examples, "--checks", STRICT if who == "root" else CONFORMS]
    argv += ["--header", f"Authorization: Bearer {token}"] if token else []
    return stage.start(f"fuzz-{who}", argv)


def fuzzed(stage, city):
    """Every role's nonsense is answered as the document says, and changes nothing that is not written down."""
    proof = Proof("api: Schemathesis sends what fits the OpenAPI document and what does not, with every role's token")
    document = (city.tree / "deploy/openapi.json").read_text()
    proof.check(ask(city, "openapi.json", None) == (200, document), f"the document is served as it lies in deploy/ ({len(document)} bytes)")
    tokens = {"root": (city.state / "api.token").read_text().strip(), "nobody": None}
    for role, more in ROLES.items():
        argv = [city.binary, "token", "add", f"{role}-1", "--role", role, "--lang", "en"] + more + city.files
        status, said = stage.run(f"token-{role}", argv, 10)
        tokens[role] = said.strip()
        proof.check(status == 0 and ask(city, "agents", tokens[role])[0] == (403 if role == "auditor" else 200), f"the token of {role} is good at once")
    status, _ = ask(city, "agents/ken/ready", tokens["agent"], b"")
    proof.check(status == 409, f"ken's own token sets ken's presence, and ken has no phone yet: {status}")
    status, said = ask(city, "agents/yuki/ready", tokens["agent"], b"")
    proof.check(status == 403, f"and nobody else's: {said.strip()}")
    order = {"order": "schedule", "schedule": "centre", "hours": "open", "until": "2h", "by": "the mayor", "why": "asked by 090-1234-5678"}
    status, said = ask(city, "orders", tokens["supervisor"], json.dumps(order).encode())
    by = [held["by"] for held in json.loads(ask(city, "status", tokens["viewer"])[1])["overrides"]]
    proof.check(status == 200 and by == ["supervisor-1"], f"a supervisor who signs as the mayor is {by[0] if by else said}")
    began = time.monotonic()
    running = {who: fuzz(stage, city, who, token) for who, token in tokens.items()}
    for who, process in running.items():
        status = process.wait(180)
        said = stage.log(f"fuzz-{who}")
        sent = re.search(r"(\d+) generated", said)
        proof.check(status == 0 and sent and int(sent[1]) >= (ROOT if who == "root" else OTHERS)[2], f"{who}: {sent[1] if sent else 'no'} requests (Schemathesis ended with {status})")
    proof.measure(f"all of them in {time.monotonic() - began:.1f} s")

    status, said = stage.run("audit", [city.binary, "audit", "--json"] + city.files, 10)
    lines = [json.loads(line) for line in said.splitlines()]
    asked, became = {line["n"]: line for line in lines if "role" in line}, {line["of"]: line["outcome"] for line in lines if "of" in line}
    who = sorted({line["role"] for line in asked.values()})
    proof.check(status == 0 and asked.keys() == became.keys(), f"{len(asked)} changes are written down, each with its outcome, in an unbroken chain")
    proof.check({"agent", "root", "supervisor"} <= set(who) <= {"agent", "operator", "root", "supervisor"}, f"by {', '.join(who)}")
    proof.check(all(outcome < 500 for outcome in became.values()), f"outcomes: {sorted(set(became.values()))}")
    signed = [line for line in asked.values() if line["role"] != "root" and "by" in line["what"]]
    proof.check(signed and all(line["what"]["by"] == line["by"] for line in signed), f"{len(signed)} orders, each signed with its token's name")
    proof.check("1234-5678" not in (city.state / "audit.jsonl").read_text(), f"no number in it: {signed[0]['what']['why']}")
    refused = [line for line in lines if line.get("outcome") in (401, 403) and "of" not in line]
    proof.check(0 < len(refused) < 40, f"who was turned away is {len(refused)} lines")
    status, said = ask(city, "audit", tokens["auditor"])
    proof.check(status == 200 and json.loads(said)["whole"], f"the auditor reads {len(json.loads(said)['lines'])} of {len(lines)} lines over HTTP")

    stage.run("revoke", [city.binary, "token", "revoke", "supervisor-1", "--state", city.state], 10)
    wrong, revoked = ask(city, "agents", "x" * 40), ask(city, "agents", tokens["supervisor"])
    proof.check(wrong == revoked and revoked[0] == 401, "a revoked token is a wrong one from the next request on")
    status, _ = city.probe("healthz")
    proof.check(status == 200 and city.quiet(), f"the engine is well after all of it (/healthz {status})")
    return proof.close()
