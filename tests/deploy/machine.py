"""A Debian of its own that systemd boots in a container: a file system, processes and a network that has nothing but its loopback."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess

from stage import Failed


class Machine:
    def __init__(self, stage, root):
        self.stage, self.root, self._asked = stage, root, 0
        # Its own corner of the tree of control groups, so that it touches nobody else's.
        self._groups = [at / f"toritsugi-{os.getpid()}" for at in map(pathlib.Path, ("/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup")) if (at / "cgroup.procs").exists()]
        for group in self._groups:
            group.mkdir()
        enter = "".join(f"echo $$ > {group}/cgroup.procs; " for group in self._groups)
        argv = ["systemd-nspawn", f"--directory={root}", "--register=no", "--keep-unit", "--private-network", "--console=pipe", "--quiet", "--boot", "systemd.log_color=no"]
        self._nspawn = stage.start("machine", ["sh", "-c", enter + 'exec "$@"', "boot"] + argv)
        self.init = stage.wait("the container has a first process", 20, self._first)
        stage.wait("systemd is up", 60, lambda: self.run("systemctl", "is-system-running")[1].strip() in ("running", "degraded"))

    def _first(self):
        if self._nspawn.poll() is not None:
            raise Failed(f"the container ended with {self._nspawn.returncode}: {self.stage.log('machine')[-1000:]}")
        children = pathlib.Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        return next((int(c) for c in children if self._is_init(c)), None)

    @staticmethod
    def _is_init(pid):
        with contextlib.suppress(OSError):
            return pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "systemd"
        return False

    def _enter(self, argv):
        return ["nsenter", "--target", str(self.init), "--all", "--", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"] + [str(a) for a in argv]

    def run(self, *argv, seconds=120):
        """Runs a command inside; (exit status, what it said)."""
        self._asked += 1
        with open(self.stage.folder / f"{self._asked:03}-{pathlib.Path(str(argv[0])).name}.log", "wb") as log:
            done = subprocess.run(self._enter(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, check=False)
            log.write(f"{argv}\n".encode() + done.stdout)
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def start(self, name, *argv):
        """Starts a command inside, its output in `NAME.log`."""
        return self.stage.start(name, self._enter(argv))

    def unit(self, *properties):
        """What systemd says of the engine's unit."""
        _, said = self.run("systemctl", "show", "toritsugi", *(f"--property={name}" for name in properties))
        return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)

    def probe(self, path):
        """(status, text) of the engine's admin port; a Debian so small has nothing to ask with, so we bring our own into its network."""
        ask = f"import urllib.request, urllib.error\ntry: a = urllib.request.urlopen('http://127.0.0.1:8080/{path}', timeout=5)\nexcept urllib.error.HTTPError as e: a = e\nprint(a.status); print(a.read().decode())"
        done = subprocess.run(["nsenter", "--target", str(self.init), "--net", "--", "python3", "-c", ask], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20, check=False)
        status, _, text = done.stdout.decode().partition("\n")
        return int(status or 0), text

    def outside(self, pid):
        """A process inside, by the number that it has for us."""
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and re.search(rf"(?m)^NSpid:.*\s{pid}$", (entry / "status").read_text()) and os.readlink(entry / "ns/pid") == os.readlink(f"/proc/{self.init}/ns/pid"):
                    return entry
        raise Failed(f"no process of the container is {pid}")

    def close(self):
        """Asks systemd to power off, and takes the groups away."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._nspawn.send_signal(signal.SIGTERM)
            self._nspawn.wait(30)
        self.stage.end(self._nspawn)
        for group in self._groups:
            for folder, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
