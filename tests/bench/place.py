# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the bench runs and how it measures: a nested host, Ansible and other commands, and what each of them took."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "fleet"), str(TESTS)]

import fleet
import run

SCALE = float(os.environ.get("SCALE", "1"))
ROUNDS = max(3, int(os.environ.get("ROUNDS", "3")))
SCOPE = fleet.SCOPE
ROOM = run.BUILD / "bench"
KEY = ROOM / "key"
PEERS_SSH = "-o ControlMaster=auto -o ControlPersist=60s"
CLEAR = (
    "docker ps --all --quiet | xargs --no-run-if-empty docker rm --force; "
    "docker image ls --all --format '{{.ID}}' | sort -u | xargs --no-run-if-empty docker image rm --force; "
    "docker image prune --all --force; rm -rf /var/lib/cognitive /var/tmp/bench*"
)
_TICK = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """One clear line for whoever called."""


class Figures(t.NamedTuple):
    """What one call took: seconds, seconds of processors, bytes; C(answer) is what the module said. None is what cannot be had."""

    wall: float
    client_cpu: float
    engine_cpu: float
    client_memory: int
    host_memory: int | None
    received: int | None
    disk: int
    answer: dict[str, t.Any]


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def docker(*arguments: str, check: bool = True) -> str:
    """What docker prints on this machine; nothing where it fails and that is no error."""
    done = subprocess.run(["docker", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise BenchError(f"docker {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip() if not done.returncode else ""


def median(found: t.Sequence[Figures]) -> Figures:
    """Field by field; of the answers the last."""

    def of(values: t.Sequence[t.Any]) -> t.Any:
        return None if None in values else statistics.median(values)

    return Figures(*(of(values) for values in list(zip(*found))[:-1]), answer=found[-1].answer)


class Place:
    """A nested host, which Ansible and plain SSH reach."""

    def __init__(self, store: str) -> None:
        self.store = store
        self._host = fleet.Host(f"bench-{store}", "13", store)
        self.name = f"bench-{store}"

    def __enter__(self) -> Place:
        say(f"starting a host with the {self.store} store")
        ROOM.mkdir(parents=True, exist_ok=True)
        with fleet.lock():
            image = fleet.host_image(self._host.release)
            fleet.ensure_network(fleet.NETWORK)
            # What a killed run left is not as a new one.
            fleet.remove(self._host)
            fleet.bring_up(self._host, image, fleet.ensure_key())
        self.address = fleet.address(self._host)
        self.process = int(docker("inspect", "--format", "{{.State.Pid}}", self._host.container))
        public = docker("exec", self._host.container, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()
        known = ROOM / f"known-{self.store}"
        known.write_text(f"{self.address} {public[0]} {public[1]}\n")
        self._options = ["-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes", "-o", f"IdentityFile={fleet.KEY}"]
        variables = {
            "ansible_host": self.address,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(fleet.KEY),
            "ansible_ssh_common_args": " ".join(self._options[:4]),
        }
        local = {"ansible_connection": "local", "ansible_python_interpreter": str(run.BIN / "python")}
        (ROOM / f"{self.name}.json").write_text(json.dumps({"all": {"hosts": {self.name: variables, "staging": local}}}))
        return self

    def __exit__(self, *_error: object) -> None:
        fleet.remove(self._host)

    def clear(self) -> None:
        """As if nobody had used it; what was written is written when this ends."""
        self.shell(CLEAR)
        os.sync()

    def shell(self, command: str) -> str:
        """Run something that is not measured."""
        return docker("exec", self._host.container, "sh", "-c", command)

    def ssh(self, command: str) -> list[str]:
        """The words of a measured command on the host."""
        return ["ssh", *self._options, f"root@{self.address}", command]

    def allow_registry(self, address: str) -> None:
        """Let the engine pull from a registry without a certificate."""
        settings = json.loads(self.shell("cat /etc/docker/daemon.json"))
        settings["insecure-registries"] = [address]
        content = json.dumps(settings).replace("'", "")
        self.shell(f"engine stop; echo '{content}' >/etc/docker/daemon.json; engine start; while ! docker info >/dev/null 2>&1; do sleep 0.2; done")

    def ansible(self, module: str, arguments: t.Mapping[str, t.Any] | None = None, host: str | None = None, **options: t.Any) -> Figures:
        """One call of a module, by default on the host."""
        words = [str(run.BIN / "ansible"), "-i", str(ROOM / f"{self.name}.json"), host or self.name, "-m", module]
        if arguments:
            words += ["-a", json.dumps(arguments)]
        if options.pop("check", False):
            words.append("--check")
        return self.measured(words, ansible=True, on_host=host is None, **options)

    def measured(self, words: list[str], stdin: Path | None = None, on_host: bool = True, ansible: bool = False, ssh_args: str | None = None) -> Figures:
        """Run C(words) to their end."""
        environment = {**run.environment(), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
        # Of the demo, which may never have run here.
        del environment["ANSIBLE_VAULT_PASSWORD_FILE"]
        if ssh_args is not None:
            # A connection that another setting opened must not serve.
            environment.update(ANSIBLE_SSH_ARGS=ssh_args, ANSIBLE_SSH_CONTROL_PATH_DIR=str(ROOM / f"cp{len(ssh_args)}"))
        log = ROOM / "command.log"
        with open(stdin or os.devnull, "rb") as source, log.open("wb") as output, Watch(self.process if on_host else None) as watch:
            began = time.monotonic()
            process = subprocess.Popen(words, stdin=source, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=run.CHECKOUT)
            _process, status, usage = os.wait4(process.pid, 0)
            wall = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        said = log.read_text(errors="replace")
        if process.returncode:
            raise BenchError(f"{' '.join(words)[:200]} failed: {said.strip()[-600:]}")
        answer = json.loads(said[said.index("=> {") + 3 : said.rindex("}") + 1]) if ansible else {}
        cpu = usage.ru_utime + usage.ru_stime + watch.connection_cpu
        return Figures(wall, cpu, watch.engine_cpu, usage.ru_maxrss * 1024, watch.host_memory, watch.received, watch.disk, answer)


class Watch:
    """What can only be seen from beside while a command runs."""

    def __init__(self, host: int | None) -> None:
        self._host = host
        self._space = _namespace(host or os.getpid())
        self._stop = threading.Event()
        self._memory = 0
        self.disk = 0

    def __enter__(self) -> Watch:
        self._room = self._most = shutil.disk_usage("/var/lib/docker").used
        self._engine, self._connection, self._received = self._engine_cpu(), _connections(), self._bytes()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()
        self.engine_cpu = self._engine_cpu() - self._engine
        before = self._connection
        self.connection_cpu = sum(cpu - before.get(process, 0.0) for process, cpu in _connections().items())
        self.received = self._bytes() - self._received if self._host else None
        self.host_memory = self._memory or None
        self.disk = self._most - self._room

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            self._most = max(self._most, shutil.disk_usage("/var/lib/docker").used)
            for process in processes() if self._host else ():
                with contextlib.suppress(OSError, StopIteration, ValueError):
                    if (process / "comm").read_text().startswith("python") and _namespace(process.name) == self._space:
                        lines = (process / "status").read_text().splitlines()
                        peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
                        self._memory = max(self._memory, peak)

    def _engine_cpu(self) -> float:
        return sum(_cpu(process) for process in processes() if _comm(process) in ("dockerd", "containerd") and _namespace(process.name) == self._space)

    def _bytes(self) -> int:
        if self._host is None:
            return 0
        lines = Path(f"/proc/{self._host}/net/dev").read_text().splitlines()
        return sum(int(line.split(":")[1].split()[0]) for line in lines if line.strip().startswith("eth"))


def processes() -> list[Path]:
    return [Path("/proc") / name for name in os.listdir("/proc") if name.isdigit()]


def _comm(process: Path) -> str:
    with contextlib.suppress(OSError):
        return (process / "comm").read_text().strip()
    return ""


def _namespace(process: int | str) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{process}/ns/pid")
    return ""


def _cpu(process: Path) -> float:
    """Of a process and of its children that ended."""
    with contextlib.suppress(OSError):
        return sum(int(ticks) for ticks in (process / "stat").read_text().rpartition(")")[2].split()[11:15]) / _TICK
    return 0.0


def _connections() -> dict[str, float]:
    """By process, what the SSH connections took that Ansible keeps open; no command waits for them."""
    found = {}
    for process in processes():
        with contextlib.suppress(OSError):
            if b"[mux]" in (process / "cmdline").read_bytes():
                found[process.name] = _cpu(process)
    return found


@contextlib.contextmanager
def registry() -> t.Iterator[str]:
    """A registry on this machine that the nested hosts reach; its address."""
    gateway = json.loads(docker("network", "inspect", fleet.NETWORK))[0]["IPAM"]["Config"][0]["Gateway"].partition("/")[0]
    with socket.create_server((gateway, 0)) as probe:
        address = f"{gateway}:{probe.getsockname()[1]}"
    store = ROOM / "registry"
    shutil.rmtree(store, ignore_errors=True)
    settings = {"version": 0.1, "log": {"level": "error"}, "storage": {"filesystem": {"rootdirectory": str(store)}}, "http": {"addr": address}}
    (ROOM / "registry.json").write_text(json.dumps(settings))
    program = shutil.which("docker-registry", path=run.environment()["PATH"]) or "docker-registry"
    with (ROOM / "registry.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(ROOM / "registry.json")], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        for _attempt in range(100):
            with contextlib.suppress(OSError):
                socket.create_connection((gateway, int(address.rpartition(":")[2])), 1).close()
                break
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(store, ignore_errors=True)
