#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fleet of the demo and the tests: three hosts, each a container with an SSH server and a Docker Engine of its own, on a network with no way out.

    fleet.py up      make sure that all hosts run and answer, build what is missing, mend what is broken
    fleet.py down    remove hosts, networks, and what belongs to them
    fleet.py images  make sure that the hosts' images are there, and print them
    fleet.py status  print what runs where, as JSON
    fleet.py proof   prove that no host and no container on it has a way out

Names are those of this checkout alone: airgap-<hash of its path>-<host>.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import shlex
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import proof

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
STATE = CHECKOUT / ".build" / "fleet"
KEY = STATE / "id_ed25519"
KNOWN_HOSTS = STATE / "known_hosts"
SCOPE = f"airgap-{hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]}"
NETWORK = f"{SCOPE}-fleet"
CONNECTED = f"{SCOPE}-connected"
LABEL = "airgap.cognitive.scope"
# The part of a host's making that is not in its image; a change makes new hosts.
RECIPE = "1"
PATIENCE = 60
# For a host that ran before.
BRIEF = 15

PACKAGES = "python3,python3-docker,openssh-server,sudo,zstd,iproute2,iptables,docker.io"


@dataclasses.dataclass(frozen=True)
class Host:
    name: str
    release: str
    store: str

    @property
    def container(self) -> str:
        return f"{SCOPE}-{self.name}"

    @property
    def cgroup(self) -> str:
        return f"/{self.container}"


HOSTS = (Host("edge1", "12", "classic"), Host("edge2", "13", "classic"), Host("edge3", "13", "containerd"))
# From Debian 13 on, the client of the engine is a package of its own.
RELEASES = {"12": PACKAGES, "13": f"{PACKAGES},docker-cli"}


class FleetError(Exception):
    """One clear line for whoever called."""


def say(text: str) -> None:
    print(f"fleet: {text}", file=sys.stderr, flush=True)


def docker(*arguments: str, check: bool = True, **options: t.Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["docker", *arguments], check=False, text=True, stdin=subprocess.DEVNULL, capture_output=True, **options)
    if check and done.returncode:
        raise FleetError(f"docker {arguments[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done


@contextlib.contextmanager
def lock() -> t.Iterator[None]:
    """One change of this checkout's fleet at a time. The lock ends with the process, however it ends."""
    STATE.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (STATE / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run is changing this fleet; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# ---- images ----


def versions() -> dict[str, str]:
    text = (CHECKOUT / "tests/setup/versions.env").read_text()
    return dict(word.split("=", 1) for word in shlex.split(text, comments=True))


def host_image(release: str) -> str:
    """Tag of the image of a release's hosts, which is built when it is not there. The tag names what went in."""
    suite = versions()[f"EDGE_{release}_SUITE"]
    made = subprocess.run([CHECKOUT / "tests/setup/base-image.sh", suite, RELEASES[release]], check=False, stdout=subprocess.PIPE, text=True)
    if made.returncode:
        raise FleetError(f"the base image of Debian {release} could not be made; see the lines above.")
    return build(f"airgap-cognitive/host:{release}", HERE / "image", made.stdout.split()[-1], "none")


def newer_host_image() -> str:
    """Tag of the image of hosts with an engine newer than any release's, which no fleet has and some tests need."""
    return build("airgap-cognitive/host:newer", HERE / "newer", host_image("13"), "host")


def build(name: str, context: Path, base: str, network: str) -> str:
    """Tag of the image that C(context) makes of C(base)."""
    inputs = hashlib.sha256(base.encode())
    for path in sorted(context.iterdir()):
        inputs.update(path.name.encode() + path.read_bytes())
    tag = f"{name}-{inputs.hexdigest()[:12]}"
    if docker("image", "inspect", tag, check=False).returncode:
        say(f"building {tag}.")
        environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
        docker("build", "--quiet", "--force-rm", "--network", network, "--build-arg", f"BASE={base}", "--tag", tag, str(context), env=environment)
    return tag


# ---- hosts ----


def ensure_key() -> str:
    if not KEY.exists():
        beside = KEY.with_name("new_key")
        for old in (beside, beside.with_suffix(".pub")):
            old.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", SCOPE, "-f", str(beside)], check=True)
        beside.with_suffix(".pub").replace(KEY.with_suffix(".pub"))
        beside.replace(KEY)
    return KEY.with_suffix(".pub").read_text().strip()


def ensure_network(name: str) -> None:
    # Internal: no route leads out, and the machine itself still reaches what is on it.
    if docker("network", "inspect", name, check=False).returncode:
        docker("network", "create", "--internal", "--label", f"{LABEL}={SCOPE}", name)


def inspect(host: Host) -> dict[str, t.Any] | None:
    done = docker("container", "inspect", host.container, check=False)
    return json.loads(done.stdout)[0] if done.returncode == 0 else None


def remove(host: Host) -> None:
    docker("rm", "--force", "--volumes", host.container, check=False)
    for controller in [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*/")]:
        root = controller / host.container
        if root.is_dir():
            for path in sorted(root.rglob("*/"), key=lambda path: len(path.parts), reverse=True):
                remove_group(path)
            remove_group(root)


def remove_group(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.rmdir()


def run_arguments(host: Host, image: str, public_key: str) -> list[str]:
    # --privileged asks for every capability and fails where the machine lacks one; these grants work there and elsewhere.
    return [
        *("--hostname", host.name, "--network", NETWORK, "--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"),
        *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined", "--security-opt", "systempaths=unconfined"),
        *("--device-cgroup-rule", "a *:* rwm", "--cgroupns", "host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
        *("--volume", "/var/lib/docker", "--volume", "/var/lib/containerd"),
        # The network's own name server passes other names on to the machine's; here it finds nobody.
        *("--dns", "127.0.0.1", "--dns-option", "timeout:1", "--dns-option", "attempts:1", "--stop-timeout", "20"),
        *("--env", f"AUTHORIZED_KEY={public_key}", "--env", f"STORE={host.store}", "--env", f"CGROUP_PARENT={host.cgroup}"),
        *("--label", f"{LABEL}={SCOPE}", image),
    ]


def bring_up(host: Host, image: str, public_key: str) -> None:
    arguments = run_arguments(host, image, public_key)
    spec = hashlib.sha256("\0".join([RECIPE, *arguments]).encode()).hexdigest()[:12]
    found = inspect(host)
    if found and found["Config"]["Labels"].get("airgap.cognitive.spec") == spec:
        if not found["State"]["Running"]:
            say(f"starting {host.name}, which was stopped.")
            docker("start", host.container, check=False)
        if wait_for(host, BRIEF):
            return
        # What was used on it lives as long as its container.
        say(f"{host.name} does not answer; starting it again.")
        docker("restart", host.container, check=False)
        if wait_for(host):
            return
        say(f"{host.name} still does not answer; making it anew.")
    elif found:
        say(f"making {host.name} anew, because its description changed.")
    remove(host)
    docker("run", "--detach", "--name", host.container, "--label", f"airgap.cognitive.spec={spec}", *arguments)
    if not wait_for(host):
        log = docker("exec", host.container, "tail", "-n", "5", "/var/log/dockerd.log", check=False).stdout
        raise FleetError(f"{host.name} was started and its engine or SSH server does not answer; the end of its log:\n{log.rstrip()}")


def wait_for(host: Host, patience: float = PATIENCE) -> bool:
    """Whether the host's SSH server and engine answer in time; a host that stops is not waited for."""
    until = time.monotonic() + patience
    probe = ["exec", host.container, "sh", "-c", "docker info >/dev/null 2>&1 && python3 -c 'import socket; socket.create_connection((\"localhost\", 22), 2)'"]
    while time.monotonic() < until:
        if docker(*probe, check=False).returncode == 0:
            return True
        found = inspect(host)
        if not found or not found["State"]["Running"]:
            return False
        time.sleep(0.5)
    return False


def address(host: Host) -> str:
    found = inspect(host)
    return str(found["NetworkSettings"]["Networks"][NETWORK]["IPAddress"]) if found else ""


def write_known_hosts() -> None:
    """The hosts' real keys, read where no one can stand between: so SSH checks them strictly."""
    lines = []
    for host in HOSTS:
        key = docker("exec", host.container, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").stdout.split()
        lines.append(f"{address(host)} {key[0]} {key[1]}\n")
    write(KNOWN_HOSTS, "".join(lines))


def write(path: Path, content: str) -> None:
    """Whole or not at all, and untouched when nothing changed."""
    if path.exists() and path.read_text() == content:
        return
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(content)
    beside.replace(path)


# ---- commands ----


def up() -> None:
    with lock():
        images = {release: host_image(release) for release in RELEASES}
        public_key = ensure_key()
        for network in (NETWORK, CONNECTED):
            ensure_network(network)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for done in [pool.submit(bring_up, host, images[host.release], public_key) for host in HOSTS]:
                done.result()
        write_known_hosts()


def down() -> None:
    with lock():
        for host in HOSTS:
            remove(host)
        # Whatever else joined them, the simulated billing endpoint for one.
        for network in (NETWORK, CONNECTED):
            others = docker("ps", "--all", "--quiet", "--filter", f"network={network}").stdout.split()
            if others:
                docker("rm", "--force", "--volumes", *others, check=False)
            docker("network", "rm", network, check=False)
        KNOWN_HOSTS.unlink(missing_ok=True)


def status() -> dict[str, t.Any]:
    hosts = {}
    for host in HOSTS:
        found = inspect(host)
        running = bool(found and found["State"]["Running"])
        hosts[host.name] = {
            "container": host.container,
            "release": host.release,
            "store": host.store,
            "running": running,
            "address": address(host) if running else None,
        }
    return {"hosts": hosts, "network": NETWORK, "connected": CONNECTED, "key": str(KEY), "known_hosts": str(KNOWN_HOSTS)}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("action", choices=["up", "down", "images", "status", "proof"])
    action = parser.parse_args().action
    try:
        if action == "up":
            up()
        elif action == "down":
            down()
        elif action == "images":
            print("\n".join(host_image(release) for release in RELEASES))
        elif action == "status":
            print(json.dumps(status(), indent=2))
        else:
            proof.prove([host.container for host in HOSTS])
    except (FleetError, proof.ProofError) as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
