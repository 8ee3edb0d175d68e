# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof that the fleet's hosts, and the containers on them, have no way out.

A connection that fails proves something only when it would succeed elsewhere. So this machine opens a listener on the address with which it
faces the world, and reaches it itself; then no host may. Neither may one have a default route, nor have a name looked up outside the fleet.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

BASE_IMAGE = Path(__file__).resolve().parents[1] / "setup" / "base-image.sh"
# Runs on a host and in a container; prints what it found. The address is of a network for documentation: a route to it is a route to anywhere.
PROBE = """
import json, socket, sys
found = {"routes": [], "reached": [], "resolved": []}
for line in open("/proc/net/route").read().splitlines()[1:]:
    if line.split()[1] == "00000000":
        found["routes"].append("IPv4 by " + line.split()[0])
try:
    for line in open("/proc/net/ipv6_route").read().splitlines():
        if line.split()[0] == "0" * 32 and line.split()[1] == "00" and line.split()[-1] != "lo":
            found["routes"].append("IPv6 by " + line.split()[-1])
except FileNotFoundError:
    pass
for target in json.loads(sys.argv[1]):
    try:
        socket.create_connection(tuple(target), 3).close()
        found["reached"].append(target[0])
    except OSError:
        pass
try:
    socket.getaddrinfo(sys.argv[2], 443)
    found["resolved"].append(sys.argv[2])
except OSError:
    pass
print(json.dumps(found))
"""
# Reserved for documentation: it needs nobody's name server to be asked for it, and one that answers at all is one too many.
NAME = "www.example.com"


class ProofError(Exception):
    """The fleet is not air-gapped, or it cannot be shown."""


def outward_address() -> str:
    """The address of this machine on its way to the world. Connecting a datagram socket sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            raise ProofError("this machine has no way out itself, so the fleet cannot be shown to have none by comparison.") from None
        return str(probe.getsockname()[0])


def docker(*arguments: str, image: str | None = None) -> str:
    command = ["docker", *arguments]
    if image is None:
        done = subprocess.run(command, check=False, text=True, stdin=subprocess.DEVNULL, capture_output=True)
    else:
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
            done = subprocess.run(command, check=False, text=True, stdin=saved.stdout, capture_output=True)
    if done.returncode:
        raise ProofError(f"docker {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


def judge(where: str, answer: str, faults: list[str]) -> None:
    found = json.loads(answer)
    faults += [f"{where} has a default route ({route})" for route in found["routes"]]
    faults += [f"{where} reaches {target}" for target in found["reached"]]
    faults += [f"{where} finds the address of {name}" for name in found["resolved"]]


def prove(containers: list[str]) -> None:
    image = subprocess.run([BASE_IMAGE], check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]
    faults: list[str] = []
    with socket.create_server((outward_address(), 0)) as listener:
        target = listener.getsockname()[:2]
        socket.create_connection(target, 3).close()
        probe = ["python3", "-c", PROBE, json.dumps([target]), NAME]
        for container in containers:
            judge(container, docker("exec", container, *probe), faults)
            try:
                docker("exec", "--interactive", container, "docker", "load", "--quiet", image=image)
                docker("exec", container, "docker", "network", "create", "proof")
                run = ["docker", "run", "--rm", "--network", "proof", "--memory", "64m", "--cpus", "0.5", image]
                # A container on a host has a default route, to its host: what counts is that it ends there.
                answer = json.loads(docker("exec", container, *run, *probe))
                judge(f"a container on {container}", json.dumps({**answer, "routes": []}), faults)
            finally:
                subprocess.run(["docker", "exec", container, "docker", "network", "rm", "proof"], check=False, capture_output=True)
                subprocess.run(["docker", "exec", container, "docker", "image", "rm", image], check=False, capture_output=True)
    if faults:
        raise ProofError(f"the fleet has a way out: {'; '.join(faults)}.")
    print(f"fleet: none of {', '.join(containers)}, and no container on them, has a way out.", file=sys.stderr)
