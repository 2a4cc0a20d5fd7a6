"""Proofs of what ships for a city's machine. Run by ./run.

    prove.py TREE ROOT PROOF..      ROOT: a fresh Debian, for the proof `package`
"""

import pathlib
import sys

TREE = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(TREE / "tests" / "interop"))

from firewall import firewall  # noqa: E402
from package import package  # noqa: E402
from stage import Failed, Proof, Stage  # noqa: E402


def main():
    root = pathlib.Path(sys.argv[2])
    wanted = {"package": lambda stage: package(stage, TREE, root), "firewall": lambda stage: firewall(stage, TREE)}
    good, bad = [], []
    for name in sys.argv[3:]:
        stage = Stage()
        try:
            held = wanted[name](stage)
        except Failed as fault:
            proof = Proof(name)
            proof.check(False, str(fault))
            held = proof.close()
        finally:
            stage.close()
        if held:
            stage.remove()
        else:
            print(f"    logs: {stage.folder}", flush=True)
        (good if held else bad).append(name)
    print(f"deploy: {len(good)} passed, {len(bad)} failed{': ' + ', '.join(bad) if bad else ''}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
