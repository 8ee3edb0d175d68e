# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""A host compared with what its services need: every shortfall at once."""

from __future__ import annotations

import errno
import glob
import ipaddress
import os
import platform
import shutil
import socket
import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._load import ZSTD_SINCE
from ansible_collections.airgap.cognitive.plugins.module_utils._plan import plan_images
from ansible_collections.airgap.cognitive.plugins.module_utils._push import choose_way
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool, free_room
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size

Services = t.Sequence[t.Mapping[str, t.Any]]
_OLDEST_ENGINE = (20, 10)


@dataclass(frozen=True)
class Facts:
    """What a host has; sizes are bytes, C(clock) seconds since 1970."""

    cpus: int
    memory: int
    architecture: str
    cpu_flags: frozenset[str]
    clock: float
    zstd: bool


@dataclass(frozen=True)
class Published:
    """A port of the host that a container has."""

    port: int
    bind: str
    container: str


@dataclass
class Shortfalls:
    """The list that is filled, one entry for each thing that is short."""

    host: str
    found: list[dict[str, str]] = field(default_factory=list)

    def add(self, level: str, service: str, what: str, need: object, found: object, source: str) -> None:
        """One thing that is short: C(level) error stops a deployment, warning does not."""
        self.found.append({"host": self.host, "level": level, "service": service, "what": what, "need": str(need), "found": str(found), "source": source})


def parse_cpu_flags(cpuinfo: str) -> frozenset[str]:
    """The instruction sets that every CPU in the text of C(/proc/cpuinfo) has."""
    sets = [frozenset(line.partition(":")[2].split()) for line in cpuinfo.splitlines() if line.partition(":")[0].strip() in ("flags", "Features")]
    return frozenset.intersection(*sets) if sets else frozenset()


def parse_memory(meminfo: str) -> int:
    """The memory in the text of C(/proc/meminfo), in bytes."""
    return next((int(line.split()[1]) * 1024 for line in meminfo.splitlines() if line.startswith("MemTotal:")), 0)


def read_facts(now: t.Callable[[], float]) -> Facts:
    """The facts of the host that this runs on."""
    return Facts(
        # What this process may use: a container or a cpuset may have less than the machine.
        cpus=len(os.sched_getaffinity(0)),
        memory=parse_memory(_read("/proc/meminfo")),
        architecture=platform.machine(),
        cpu_flags=parse_cpu_flags(_read("/proc/cpuinfo")),
        clock=now(),
        zstd=shutil.which("zstd") is not None,
    )


def _read(path: str) -> str:
    with open(path, encoding="ascii", errors="replace") as stream:
        return stream.read()


def check_facts(short: Shortfalls, services: Services, facts: Facts, controller_clock: float, tolerance: int) -> None:
    """CPUs and memory over all services, architecture, instruction sets, and the clock."""
    _check_sum(short, services, "cpus", facts.cpus, lambda cpus: f"{cpus:g}")
    _check_sum(short, services, "memory", facts.memory, lambda size: format_size(int(size)))
    for service in services:
        needs = service["needs"]
        if service["cpus"] > facts.cpus:
            short.add(
                "error", service["name"], "cpus of the service", f"at most {facts.cpus}", f"{service['cpus']:g}", "an engine refuses more than the host has"
            )
        if needs["architecture"] != facts.architecture:
            short.add("error", service["name"], "architecture", needs["architecture"], facts.architecture, needs["sources"]["architecture"])
        for level, flags in (("error", needs["cpu_flags"].get("required", [])), ("warning", needs["cpu_flags"].get("recommended", []))):
            lacking = [flag for flag in flags if flag not in facts.cpu_flags]
            if lacking:
                short.add(level, service["name"], "CPU features", ", ".join(lacking), "not there", needs["sources"]["cpu_flags"])
    skew = facts.clock - controller_clock
    if abs(skew) > tolerance:
        short.add("error", "", "clock", f"within {tolerance} s of the controller's", f"{skew:+.0f} s", "a license ends by the clock of the host")


def _check_sum(short: Shortfalls, services: Services, what: str, found: float, show: t.Callable[[float], str]) -> None:
    """What all services need together, then what each was given less than its family needs."""
    names = ", ".join(service["name"] for service in services)
    minimum = sum(service["needs"][what]["minimum"] for service in services)
    limits = sum(service[what] for service in services)
    sources = ", ".join(sorted({service["needs"]["sources"][what] for service in services}))
    if found < minimum:
        short.add("error", names, what, show(minimum), show(found), sources)
    elif found < limits:
        # Limits may add up to more than there is, as long as not all services want all of theirs at once.
        short.add("warning", names, f"{what}, all limits together", show(limits), show(found), "the sizes of the services")
    for service in services:
        least = service["needs"][what]["minimum"]
        if service[what] < least:
            short.add("error", service["name"], f"{what} of the service", show(least), show(service[what]), service["needs"]["sources"][what])


def check_engine(short: Shortfalls, services: Services, images: t.Sequence[t.Mapping[str, t.Any]], facts: Facts, docker_host: str | None, spool: Spool) -> None:
    """The engine, its version, what it needs to unpack layers, the room for the images, and the ports."""
    oldest = ".".join(str(number) for number in _OLDEST_ENGINE)
    try:
        engine = Engine(docker_host)
    except CognitiveError as error:
        short.add("error", "", "Docker Engine", f"{oldest} or later, and its SDK for Python", "none that answers", str(error))
        check_ports(short, services, [])
        return
    if (0, 0) < version_of(engine.version) < _OLDEST_ENGINE:
        short.add("error", "", "Docker Engine", f"{oldest} or later", engine.version, "older engines cannot load the archives of a push")
    if engine.major < ZSTD_SINCE and not facts.zstd:
        short.add("error", "", "program", "zstd", "missing", f"Docker Engine before {ZSTD_SINCE} cannot unpack zstd itself")
    for limit, what in (("MemoryLimit", "memory"), ("CpuCfsQuota", "CPUs")):
        if engine.info.get(limit) is False:
            short.add("error", "", f"limits of {what}", "an engine that can set them", "cannot", "each container runs with --memory and --cpus")
    check_gpu(short, services, set(engine.info.get("Runtimes") or ()), sorted(glob.glob("/dev/nvidia[0-9]*")))
    plan = plan_images(engine, images, spool.pushed())
    check_room(short, choose_way(plan, engine, spool, "auto")[0], free_room, _filesystem)
    check_ports(short, services, published_ports(engine))


def check_gpu(short: Shortfalls, services: Services, runtimes: t.Collection[str], devices: t.Sequence[str]) -> None:
    """One line for all services that want a GPU: the driver's devices, and the runtime that gives them to containers."""
    wanting = [service for service in services if service.get("gpu")]
    lacking = [what for what, there in (("no device /dev/nvidia0", devices), ("no runtime nvidia in Docker Engine", "nvidia" in runtimes)) if not there]
    if wanting and lacking:
        needs = ", ".join(sorted({service["needs"]["gpu"] for service in wanting}))
        sources = ", ".join(sorted({service["needs"]["sources"]["gpu"] for service in wanting}))
        short.add("error", ", ".join(service["name"] for service in wanting), "GPU", needs, ", ".join(lacking), sources)


def version_of(text: str) -> tuple[int, int]:
    """Major and minor of a version as an engine writes it; zeros for what is none, as a build of a developer is."""
    parts = [int("".join(letter for letter in part if letter.isdigit()) or 0) for part in text.split(".")[:2]]
    return (parts[0], parts[1]) if len(parts) == 2 else (0, 0)


def check_room(short: Shortfalls, rooms: t.Iterable[tuple[str, int]], free: t.Callable[[str], int], filesystem: t.Callable[[str], object]) -> None:
    """Room for bytes at paths; what shares a file system shares its room."""
    needs: dict[object, tuple[list[str], int]] = {}
    for path, size in rooms:
        paths, sum_ = needs.get(filesystem(path), ([], 0))
        needs[filesystem(path)] = ([*paths, path], sum_ + size)
    for paths, size in needs.values():
        if size > free(paths[0]):
            short.add("error", "", f"room at {' and '.join(paths)}", format_size(size), format_size(free(paths[0])), "the layers that the host lacks")


def _filesystem(path: str) -> int:
    """The device of C(path), or of what is above it where it is not there yet."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return os.stat(path).st_dev


def published_ports(engine: Engine) -> list[Published]:
    """What the containers of the engine have of the host's ports."""
    with engine.speaking():
        listed = engine.api.containers()
    return [
        Published(int(port["PublicPort"]), str(port.get("IP") or "0.0.0.0"), entry["Names"][0].lstrip("/"))
        for entry in listed
        for port in entry.get("Ports") or ()
        if port.get("PublicPort") and port.get("Type", "tcp") == "tcp"
    ]


def check_ports(short: Shortfalls, services: Services, published: t.Sequence[Published]) -> None:
    """Ports that something else has; a port that a service's own container has is free for it."""
    for service in services:
        holders = [held for held in published if held.port == service["port"] and _overlap(held.bind, service["bind"])]
        if any(held.container == service["name"] for held in holders):
            continue
        problem = f"taken by container {holders[0].container}" if holders else _port_problem(service["bind"], service["port"])
        if problem:
            short.add("error", service["name"], f"port {service['port']} at {service['bind']}", "free", problem, "the service listens there")


def _overlap(one: str, other: str) -> bool:
    return one == other or any(ipaddress.ip_address(bind).is_unspecified for bind in (one, other))


def _port_problem(bind: str, port: int) -> str | None:
    """Why nothing could listen there, or None."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in bind else socket.AF_INET, socket.SOCK_STREAM) as probe:
            # What is left of closed connections is in nobody's way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((bind, port))
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return "not an address of this host"
        # A low port is not this user's to open, but it is the engine's.
        return None if error.errno == errno.EACCES else "taken by another program"
    return None
