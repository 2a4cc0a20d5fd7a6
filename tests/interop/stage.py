"""The stage of a proof: a folder for its logs, the programs that were started, and what was measured.

Programs are ended by the ids they were started with, never by name.
"""

import pathlib
import shutil
import signal
import subprocess
import tempfile
import time


class Failed(Exception):
    """A proof that cannot go on; the sentence says why."""


class Stage:
    def __init__(self, logs=None):
        self.folder = pathlib.Path(logs or tempfile.mkdtemp(prefix="toritsugi-interop-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._running = []

    def start(self, name, argv, cwd=None, env=None, stdin=subprocess.DEVNULL):
        """Starts a program with its output in `NAME.log`."""
        log = open(self.folder / f"{name}.log", "wb")
        process = subprocess.Popen(
            [str(a) for a in argv], cwd=cwd or self.folder, env=env, stdin=stdin, stdout=log, stderr=subprocess.STDOUT
        )
        log.close()
        self._running.append((name, process))
        return process

    def run(self, name, argv, seconds, text=None, cwd=None):
        """Runs a program to its end and returns (exit status, output)."""
        with open(self.folder / f"{name}.log", "wb") as log:
            done = subprocess.run(
                [str(a) for a in argv], cwd=cwd or self.folder, input=(text or "").encode(), stdout=subprocess.PIPE, stderr=log, timeout=seconds, check=False
            )
            log.write(done.stdout)
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def log(self, name):
        try:
            return (self.folder / f"{name}.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def wait(self, what, seconds, ready):
        """Asks `ready` ten times a second until it says something true, and returns that."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            answer = ready()
            if answer:
                return answer
            time.sleep(0.1)
        raise Failed(f"waited {seconds} s in vain: {what}")

    def end(self, process, seconds=5):
        """Asks a program to end, then makes it."""
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running = [(n, p) for n, p in self._running if p is not process]
        return process.returncode

    def close(self):
        for _, process in reversed(self._running[:]):
            self.end(process)

    def remove(self, seconds=20):
        """Removes the folder. A browser that was ended has children that still write into their profile for a moment."""
        until = time.monotonic() + seconds
        while self.folder.exists():
            try:
                shutil.rmtree(self.folder)
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)


class Proof:
    """One claim: what was measured for it, and whether it held."""

    def __init__(self, name):
        self.name, self.failures, self.began = name, [], time.monotonic()
        print(f"\n{name}", flush=True)

    def measure(self, text):
        print(f"    {text}", flush=True)

    def check(self, holds, text):
        """Prints what was measured, and remembers it if it should have been otherwise."""
        print(f"    {'ok  ' if holds else 'FAIL'} {text}", flush=True)
        if not holds:
            self.failures.append(text)

    def close(self):
        print(f"{'FAIL' if self.failures else 'PASS'} {self.name} ({time.monotonic() - self.began:.0f} s)", flush=True)
        return not self.failures
