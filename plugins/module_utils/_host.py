# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""A host compared with what its services need: every shortfall at once."""

from __future__ import annotations

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
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool, free_room
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size

Services = t.Sequence[t.Mapping[str, t.Any]]
_OLDEST_ENGINE = 20


@dataclass(frozen=True)
class Facts:
    """What a host has; sizes are bytes, C(clock) seconds since 1970."""

    cpus: int
    memory: int
    architecture: str
    cpu_flags: frozenset[str]
    clock: float
    zstd: bool


@dataclass
class Shortfalls:
    """The list that is filled, one entry for each thing that is short."""

    host: str
    found: list[dict[str, str]] = field(default_factory=list)

    def add(self, level: str, service: str, what: str, need: object, found: object, source: str) -> None:
        """One thing that is short: C(level) error stops a deployment, warning does not."""
        self.found.append({"host": self.host, "level": level, "service": service, "what": what, "need": str(need), "found": str(found), "source": source})


def read_facts(now: t.Callable[[], float]) -> Facts:
    """The facts of the host that this runs on."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as stream:
        flags = next((line.partition(":")[2].split() for line in stream if line.startswith("flags")), [])
    with open("/proc/meminfo", encoding="ascii") as stream:
        memory = next(int(line.split()[1]) * 1024 for line in stream if line.startswith("MemTotal:"))
    return Facts(len(os.sched_getaffinity(0)), memory, platform.machine(), frozenset(flags), now(), shutil.which("zstd") is not None)


def check_facts(short: Shortfalls, services: Services, facts: Facts, controller_clock: float, tolerance: int) -> None:
    """CPUs and memory over all services, architecture, instruction sets, and the clock."""
    names = ", ".join(service["name"] for service in services)
    _check_sum(short, names, services, "cpus", facts.cpus, str)
    _check_sum(short, names, services, "memory", facts.memory, lambda size: format_size(int(size)))
    for service in services:
        needs = service["needs"]
        if needs["architecture"] != facts.architecture:
            short.add("error", service["name"], "architecture", needs["architecture"], facts.architecture, needs["sources"]["architecture"])
        for level, flags in (("error", needs["cpu_flags"].get("required", [])), ("warning", needs["cpu_flags"].get("recommended", []))):
            lacking = [flag for flag in flags if flag not in facts.cpu_flags]
            if lacking:
                short.add(level, service["name"], "CPU features", ", ".join(lacking), "not there", needs["sources"]["cpu_flags"])
    skew = facts.clock - controller_clock
    if abs(skew) > tolerance:
        short.add("error", "", "clock", f"within {tolerance} s of the controller's", f"{skew:+.0f} s", "a license ends by the clock of the host")


def _check_sum(short: Shortfalls, names: str, services: Services, what: str, found: float, show: t.Callable[[float], str]) -> None:
    """What all services need together, then what each was given less than its family needs."""
    minimum = sum(service["needs"][what]["minimum"] for service in services)
    recommended = sum(service["needs"][what]["recommended"] for service in services)
    sources = ", ".join(sorted({service["needs"]["sources"][what] for service in services}))
    if found < minimum:
        short.add("error", names, what, show(minimum), show(found), sources)
    elif found < recommended:
        short.add("warning", names, f"{what} (recommended)", show(recommended), show(found), sources)
    for service in services:
        least = service["needs"][what]["minimum"]
        if service[what] < least:
            short.add("error", service["name"], f"{what} of the service", show(least), show(service[what]), service["needs"]["sources"][what])


def check_engine(short: Shortfalls, services: Services, images: t.Sequence[t.Mapping[str, t.Any]], facts: Facts, docker_host: str | None, spool: Spool) -> None:
    """The engine, its version, what it needs to unpack layers, the room for the images, and the ports."""
    try:
        engine = Engine(docker_host)
    except CognitiveError as error:
        short.add("error", "", "Docker Engine", f"{_OLDEST_ENGINE}.10 or later, and its SDK for Python", "see the last column", str(error))
        check_ports(short, services, {})
        return
    if engine.major and engine.major < _OLDEST_ENGINE:
        short.add("error", "", "Docker Engine", f"{_OLDEST_ENGINE}.10 or later", engine.version, "older engines cannot load the archives of a push")
    if engine.major < ZSTD_SINCE and not facts.zstd:
        short.add("error", "", "program", "zstd", "missing", f"Docker Engine before {ZSTD_SINCE} cannot unpack zstd itself")
    plan = plan_images(engine, images, spool.pushed())
    wanted = {engine.root: plan.engine_bytes, spool.root: sum(spool.lacking(plan.missing_blobs).values())}
    for path, need in wanted.items():
        free = free_room(path)
        if need > free:
            short.add("error", "", f"room at {path}", format_size(need), format_size(free), "the layers that the host lacks")
    check_ports(short, services, published_ports(engine))


def published_ports(engine: Engine) -> dict[int, str]:
    """By host port, the name of the container that has it."""
    with engine.speaking():
        listed = engine.api.containers()
    return {int(port["PublicPort"]): entry["Names"][0].lstrip("/") for entry in listed for port in entry.get("Ports") or () if port.get("PublicPort")}


def check_ports(short: Shortfalls, services: Services, held: t.Mapping[int, str]) -> None:
    """Ports that something else has; a port that a service's own container has is free for it."""
    for service in services:
        holder = held.get(service["port"])
        if holder == service["name"]:
            continue
        if holder is not None or not _port_free(service["bind"], service["port"]):
            holder = f"container {holder}" if holder else "another program"
            short.add("error", service["name"], f"port {service['port']}", "free", f"taken by {holder}", "two programs cannot listen on one port")


def _port_free(bind: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in bind else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError:
            return False
    return True
