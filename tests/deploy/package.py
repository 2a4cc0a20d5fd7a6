"""The Debian package: built, installed into a bare Debian, started by systemd under its unit, called, upgraded while somebody talks, removed and purged."""

import os
import pathlib
import re
import struct
import time
import wave

import sound
from machine import Machine
from stage import Failed, Proof

NUMBER = "0440000000"
STATE = "/var/lib/toritsugi"
# What `systemd-analyze security` may say at most. 1.1 is: the network, and the machine's files as far as a user of its own may read them.
EXPOSURE_MAX = 1.1
TALK = 12  # seconds of the call that is on while the package is upgraded
# From the call's answer on; the first sentence is longer than that.
LISTEN = 6
# Of 32,767. Silence is 8 at most in mu-law.
LOUD = 500


def built(stage, tree):
    """Packs the programs that are built already; the path of the package."""
    status, said = stage.run("build", [tree / "deploy/debian/build", "--fast"], 240, cwd=tree)
    if status != 0:
        raise Failed(f"deploy/debian/build ended with {status}: {stage.log('build')[-1000:]}")
    return pathlib.Path(said.strip().splitlines()[-1])


def next_version(stage, package):
    """The same package as revision 2, so that there is something to upgrade to."""
    there = stage.folder / "next"
    stage.run("unpack", ["dpkg-deb", "-R", package, there], 60)
    control = there / "DEBIAN" / "control"
    control.write_text(re.sub(r"(?m)^(Version: .*)-1$", r"\1-2", control.read_text()))
    stage.run("repack", ["dpkg-deb", "-Znone", "-b", there, stage.folder / "next.deb"], 60)
    return stage.folder / "next.deb"


def install(machine, package, *more):
    inside = machine.root / "srv" / package.name
    inside.write_bytes(package.read_bytes())
    status, said = machine.run("apt-get", "install", "-qy", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", *more, f"/srv/{package.name}")
    inside.unlink()
    return status, [line for line in said.splitlines() if line.startswith("toritsugi: ")]


def call(machine, name, seconds):
    """A resident's call, by a user who is nobody."""
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "toritsugi", "call", f"sip:{NUMBER}@127.0.0.1", "--seconds", seconds, "--record", f"/var/tmp/{name}.wav"]
    return machine.start(name, *argv)


def heard(machine, name):
    """Seconds in which the caller heard something, of how many. The right side of the recording is what was heard."""
    with wave.open(str(machine.root / "var/tmp" / f"{name}.wav")) as file:
        both = struct.unpack(f"<{file.getnframes() * 2}h", file.readframes(file.getnframes()))
    right = both[1::2]
    windows = [right[at : at + sound.FRAME] for at in range(0, len(right) - sound.FRAME, sound.FRAME)]
    return sum(max(map(abs, window)) > LOUD for window in windows) * sound.FRAME / sound.RATE, len(right) / sound.RATE


def confined(proof, machine):
    """What the kernel says of the engine's process."""
    process = machine.outside(machine.unit("MainPID")["MainPID"])
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
    nofile = re.search(r"Max open files\s+(\d+)", (process / "limits").read_text()).group(1)
    nice = (process / "stat").read_text().rsplit(") ", 1)[1].split()[16]
    uid, caps = status["Uid"].split()[0], {name: int(status[name], 16) for name in ("CapEff", "CapBnd", "CapAmb")}
    held = uid != "0" and not any(caps.values()) and status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2" and nofile == "16384"
    proof.check(held, f"the process: uid {uid}, capabilities {sum(caps.values())}, no new privileges, {status['Seccomp_filters'].strip()} filters of system calls, {nofile} files, nice {nice}")


def package(stage, tree, root):
    proof = Proof("package: a bare Debian, booted by systemd, takes the package; the engine runs under its unit and is called; an upgrade cuts nobody off")
    began = time.monotonic()
    deb = built(stage, tree)
    proof.measure(f"{deb.name}: {deb.stat().st_size / 1e6:.0f} MB, in {time.monotonic() - began:.0f} s")
    machine = Machine(stage, root)
    try:
        installed(proof, stage, tree, machine, deb)
    finally:
        machine.close()
    return proof.close()


def installed(proof, stage, tree, machine, deb):
    status, said = install(machine, deb)
    proof.check(status == 0 and len(said) == 1 and "nothing is started" in said[0], f"apt installs it ({status}) and says: {said}")
    # Scripts that make recordings are for whoever has the tree.
    city = [path.relative_to(tree) for folder in ("config", "flows") for path in (tree / folder).rglob("*") if path.is_file() and path.suffix not in (".sh", ".py")]
    lacking = [str(path) for path in city if not (machine.root / "etc/toritsugi" / path).exists()]
    proof.check(not lacking, f"{len(city)} files of the city that ships are in /etc/toritsugi; lacking {lacking[:3]}")
    _, enabled = machine.run("systemctl", "is-enabled", "toritsugi")
    proof.check((enabled.strip(), machine.unit("ActiveState")["ActiveState"]) == ("disabled", "inactive"), f"nothing starts by itself: {enabled.strip()}, {machine.unit('ActiveState')['ActiveState']}")
    owner = (machine.root / STATE.lstrip("/")).stat()
    proof.check(owner.st_mode & 0o777 == 0o700 and owner.st_uid != 0, f"{STATE} is there for passwords: mode {owner.st_mode & 0o777:o}, uid {owner.st_uid}")
    commands = re.findall(r"(?m)^  (\w+)  ", machine.run("toritsugi", "--help")[1].split("Options:")[0])
    unwritten = [name for name in commands if not (machine.root / f"usr/share/man/man1/toritsugi-{name}.1.gz").exists()]
    completes, _ = machine.run("bash", "-n", "/usr/share/bash-completion/completions/toritsugi")
    proof.check(len(commands) > 20 and not unwritten and completes == 0, f"the manual has a page for each of {len(commands)} commands; lacking {unwritten}")
    status, said = machine.run("systemd-analyze", "verify", "--man=no", "/usr/lib/systemd/system/toritsugi.service")
    proof.check(status == 0 and "toritsugi" not in said, f"systemd-analyze verify: {status} {said.strip()}")
    status, said = machine.run("systemd-analyze", "security", "--no-pager", f"--threshold={EXPOSURE_MAX * 10:.0f}", "toritsugi.service")
    proof.check(status == 0, said.strip().splitlines()[-1].strip("→ "))
    status, said = machine.run("setpriv", "--reuid=toritsugi", "--regid=toritsugi", "--clear-groups", "sh", "-c", f"echo sesame | toritsugi agent password ken --config /etc/toritsugi/config --flows /etc/toritsugi/flows --state {STATE}")
    proof.check(status == 0, f"a password is set before the first start ({status})")

    began = time.monotonic()
    status, said = machine.run("systemctl", "enable", "--now", "toritsugi", seconds=320)
    proof.check(status == 0, f"systemctl enable --now: ready after {time.monotonic() - began:.0f} s, every sentence spoken ({status} {said.strip().splitlines()[-1:]})")
    if status != 0:
        raise Failed(machine.run("journalctl", "-u", "toritsugi", "--no-pager", "-n", "30")[1])
    ready = machine.probe("readyz")
    proof.check(ready[0] == 200, f"/readyz: {ready[0]}; {machine.unit('StatusText')['StatusText']}")
    confined(proof, machine)
    metrics = machine.probe("metrics")[1]
    process = re.findall(r"(?m)^(process_\w+) ", metrics)
    proof.check({"process_start_time_seconds", "process_open_fds", "process_cpu_seconds_total", "process_resident_memory_bytes"} <= set(process), f"/metrics tells of the process: {', '.join(process)}")
    _, said = machine.run("journalctl", "-u", "toritsugi", "--no-pager", "-o", "cat")
    complaints = [line for line in said.splitlines() if re.search(r"WARN|ERROR", line)]
    proof.check(not complaints, f"its log warns of nothing ({len(said.splitlines())} lines) {complaints[:3]}")

    caller = call(machine, "first", LISTEN)
    status = caller.wait(40)
    seconds, of = heard(machine, "first") if status == 0 else (0, 0)
    proof.check(status == 0 and seconds > 2, f"a call is answered ({status}), and speech is heard for {seconds:.1f} of {of:.1f} s")

    upgraded(proof, stage, machine, deb)
    restored(proof, machine)
    downgraded(proof, machine, deb)
    gone(proof, machine)


def upgraded(proof, stage, machine, deb):
    (machine.root / "etc/toritsugi/config/engine.yaml").open("a").write("# ours\n")
    after = next_version(stage, deb)
    before = machine.unit("MainPID")["MainPID"]
    talker = call(machine, "talker", TALK)
    stage.wait("the call is up", 10, lambda: "toritsugi_calls_in_progress 1\n" in machine.probe("metrics")[1])
    status, said = install(machine, after)
    proof.check(status == 0 and len(said) == 1 and "still answers" in said[0], f"an upgrade ({status}) says: {said}")
    version = machine.run("dpkg-query", "-W", "-f", "${Version}", "toritsugi")[1]
    same, active = machine.unit("MainPID")["MainPID"] == before, machine.unit("ActiveState")["ActiveState"]
    proof.check(same and active == "active" and version.endswith("-2"), f"{version} is installed, and the process of before goes on")
    status = talker.wait(40)
    seconds, of = heard(machine, "talker") if status == 0 else (0, 0)
    proof.check(status == 0 and of > TALK - 1, f"who was talking meanwhile was not cut off: {of:.1f} s ({status}), speech in {seconds:.1f} s of it")
    kept = (machine.root / "etc/toritsugi/config/engine.yaml").read_text().endswith("# ours\n")
    proof.check(kept, "what was edited in /etc is as it was")
    status, _ = machine.run("systemctl", "restart", "toritsugi")
    proof.check(status == 0 and machine.unit("MainPID")["MainPID"] != before and machine.probe("readyz")[0] == 200, "systemctl restart puts the new version in its place")
    status, said = machine.run("toritsugi", "verify", "--state", STATE)
    proof.check(status == 0, f"toritsugi verify: {said.strip().splitlines()[-1]}")


def restored(proof, machine):
    """The commands of deploy/BACKUP.md: copied while the engine runs, put back in the place of a state that is lost."""
    copy = "/srv/backup/toritsugi-today"
    status, said = machine.run("sh", "-ec", f"umask 077; mkdir -p /srv/backup; cp -a {STATE} {copy}; rm -f {copy}/calls.sqlite*; toritsugi verify --state {copy}; toritsugi store rebuild --state {copy}")
    proof.check(status == 0 and "The journal is whole" in said, f"copied while it runs: {' '.join(line for line in said.splitlines() if 'Hash' not in line)}")
    status, said = machine.run("sh", "-ec", f"systemctl stop toritsugi; mv {STATE} {STATE}.broken; cp -a {copy} {STATE}; chown -R toritsugi: {STATE}; systemctl start toritsugi; toritsugi calls --state {STATE} --limit 5")
    calls = sum(NUMBER in line for line in said.splitlines())
    proof.check(status == 0 and calls == 2 and machine.probe("readyz")[0] == 200, f"and put back: the engine is ready, and knows its {calls} calls ({status})")
    machine.run("rm", "-rf", f"{STATE}.broken", copy)


def downgraded(proof, machine, deb):
    """The way back of deploy/UPGRADE.md."""
    status, _ = install(machine, deb, "--allow-downgrades")
    version = machine.run("dpkg-query", "-W", "-f", "${Version}", "toritsugi")[1]
    again, _ = machine.run("systemctl", "restart", "toritsugi")
    proof.check((status, again, machine.probe("readyz")[0]) == (0, 0, 200) and version.endswith("-1"), f"the version of before is put back ({status}), {version} is ready")


def gone(proof, machine):
    status, said = machine.run("apt-get", "remove", "-qy", "toritsugi")
    said = [line for line in said.splitlines() if line.startswith("toritsugi: ")]
    journal = list((machine.root / STATE.lstrip("/")).rglob("*journal*"))
    log = machine.run("journalctl", "-u", "toritsugi", "--no-pager", "-o", "cat")[1]
    asked = machine.unit("ActiveState", "LoadState")
    proof.check(status == 0 and asked["ActiveState"] == "inactive" and "Deactivated successfully" in log, f"removed ({status}): asked to stop, it ended well; {asked}")
    wants = machine.root / "etc/systemd/system/multi-user.target.wants/toritsugi.service"
    proof.check(journal and not os.path.lexists(wants), f"the journal stays ({', '.join(str(p.name) for p in journal)}), no link is left; {said}")
    status, said = machine.run("apt-get", "purge", "-qy", "toritsugi")
    said = [line for line in said.splitlines() if line.startswith("toritsugi: ")]
    left = [at for at in ("etc/toritsugi", "var/lib/toritsugi", "usr/bin/toritsugi", "usr/share/toritsugi", "usr/share/doc/toritsugi") if (machine.root / at).exists()]
    user = machine.run("getent", "passwd", "toritsugi")[0] == 0
    proof.check(status == 0 and not left and user and any("for good" in line for line in said), f"purged ({status}): left of it {left}; its user stays; {said}")
