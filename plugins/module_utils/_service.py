# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""From what an inventory declares to services that can be deployed, or to a list of every mistake in it."""

from __future__ import annotations

import difflib
import functools
import ipaddress
import posixpath
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.airgap.cognitive.plugins.module_utils._companions import link
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._family import Catalogue, Family
from ansible_collections.airgap.cognitive.plugins.module_utils._family_fields import parse_number, parse_port
from ansible_collections.airgap.cognitive.plugins.module_utils._settings import check_settings, fill_query, fill_table, needs_gpu, release
from ansible_collections.airgap.cognitive.plugins.module_utils._units import parse_size

# What an operator may write about a service.
SERVICE_KEYS = (
    "name",
    "family",
    "tag",
    "port",
    "cpus",
    "memory",
    "bind",
    "settings",
    "env",
    "arguments",
    "output",
    "restart",
    "companions",
    "ready_timeout",
)
RESTART_POLICIES = ("no", "always", "on-failure", "unless-stopped")
# A name is a container's, a directory's, and a host's on the network of the engine.
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_REGISTRY = re.compile(r"[A-Za-z0-9.-]+(?::\d+)?(?:/[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)?")
# Options that are this collection's own business, or have no place behind an air gap.
_OWN_OPTIONS = {"eula", "mounts:license", "mounts:output", "mounts:shared", "sharedrootfolder", "downloadlicense"}
_SECRET_OPTIONS = {"apikey", "key", "billing"}
_MINIMUM_MEMORY = 6 * 1024**2


@dataclass(frozen=True)
class Site:
    """What holds for all services of a fleet."""

    registry: str = ""
    root: str = "/var/lib/cognitive"
    bind: str = "127.0.0.1"
    network: str = "cognitive"


def resolve(declared: t.Mapping[str, t.Any], catalogue: Catalogue, site: Site, resources: t.Collection[str] | None = None) -> dict[str, t.Any]:
    """C(services), C(images) and C(downloads) of C(declared), by host; raises with every mistake at once.

    C(resources) are the families for which the connected side has an Azure resource; None where that
    is not of interest.
    """
    mistakes = _site_mistakes(site)
    services: list[dict[str, t.Any]] = []
    for host in sorted(declared):
        services += _Host(host, catalogue, site, mistakes).resolve(declared[host])
    if resources is not None:
        for family in sorted({service["family"] for service in services} - set(resources)):
            hosts = ", ".join(sorted({service["host"] for service in services if service["family"] == family}))
            mistakes.append(f"{hosts}: family {family} has no Azure resource; add cognitive_resources.{family} with its endpoint and api_key.")
    if mistakes:
        raise CognitiveError("\n".join(mistakes), mistakes=mistakes)
    images: dict[str, dict[str, t.Any]] = {}
    downloads: dict[tuple[str, str, str], dict[str, t.Any]] = {}
    for service in services:
        image = images.setdefault(service["image"], {"name": service["image"], "family": service["family"], "tag": service["tag"], "hosts": []})
        image["hosts"] = sorted({*image["hosts"], service["host"]})
        downloads[service["image"], service["family"], service["release"]] = {key: service[key] for key in ("family", "tag", "release", "settings")}
    return {"services": services, "images": [images[name] for name in sorted(images)], "downloads": [{"name": key[0], **downloads[key]} for key in sorted(downloads)]}


def _site_mistakes(site: Site) -> list[str]:
    mistakes = []
    if site.registry and not _REGISTRY.fullmatch(site.registry):
        mistakes.append(f"registry: {site.registry!r} is not the name of a registry; write its host, without a scheme or a slash at the end.")
    if not posixpath.isabs(site.root) or ":" in site.root:
        mistakes.append(f"root: {site.root!r} is not a directory of the hosts; write a path that begins with / and has no colon.")
    if not _address(site.bind):
        mistakes.append(f"bind: {site.bind!r} is not an IP address; write one of the hosts' own, for example 127.0.0.1.")
    return mistakes


def _address(text: object) -> bool:
    try:
        ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return True


class _Host:
    """The services of one host."""

    def __init__(self, host: str, catalogue: Catalogue, site: Site, mistakes: list[str]) -> None:
        self.host = host
        self.catalogue = catalogue
        self.site = site
        self.mistakes = mistakes
        self.families: dict[str, Family] = {}

    def resolve(self, declared: object) -> list[dict[str, t.Any]]:
        """The services in the order in which they start; mistakes are collected on the way."""
        if not isinstance(declared, (list, tuple)):
            self.mistakes.append(f"{self.host}: cognitive_services is not a list; write a dash before each service.")
            return []
        before = len(self.mistakes)
        services = [service for item in declared for service in [self._service(item)] if service]
        self._check_together(services)
        by_name = {service["name"]: service for service in services}
        for service in services:
            link(service, self.families[service["name"]], by_name, functools.partial(self._wrong, f"service {service['name']}"))
        if len(self.mistakes) > before:
            # Only what other hosts' checks need: a broken host is never deployed.
            return services
        for service in services:
            self._mount(service)
        return self._in_order(services)

    def _wrong(self, where: str, problem: str) -> None:
        self.mistakes.append(f"{self.host}, {where}: {problem}")

    def _service(self, item: object) -> dict[str, t.Any] | None:
        if not isinstance(item, dict):
            self._wrong("cognitive_services", f"{item!r} is not a service; write at least name, family, tag and port.")
            return None
        name = item.get("name")
        where = f"service {name}" if name else f"a service of family {item.get('family', '?')}"
        for key in item:
            if key not in SERVICE_KEYS:
                near = difflib.get_close_matches(str(key), SERVICE_KEYS, n=1)
                self._wrong(where, f"there is no key {key}; {f'did you mean {near[0]}?' if near else 'allowed are ' + ', '.join(SERVICE_KEYS) + '.'}")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            self._wrong(where, f"the name {name!r} is not possible; write lower-case letters, digits and dashes, 63 at most.")
            return None
        family = self._family(where, item)
        if family is None:
            return None
        self.families[name] = family
        tag = self._tag(where, item, family)
        cpu_size, memory_size = family.size(tag)
        settings, problems = check_settings(family, {} if item.get("settings") is None else item["settings"])
        for problem in problems:
            self._wrong(where, problem)
        gpu = needs_gpu(family, tag, settings)
        return {
            "host": self.host,
            "name": name,
            "family": family.name,
            "tag": tag,
            "release": release(family, tag, settings),
            "settings": settings,
            "image": family.image(tag, self.site.registry),
            "port": self._port(where, item),
            "bind": self._bind(where, item),
            "container_port": family.port,
            "cpus": self._cpus(where, item, cpu_size.recommended),
            "memory": self._memory(where, item, int(memory_size.recommended)),
            "gpu": gpu is not None,
            "command": [],
            "env": self._options(where, item, "env"),
            "arguments": self._options(where, item, "arguments"),
            "volumes": [],
            "network": self.site.network,
            "root": posixpath.join(self.site.root, name),
            "license_dir": posixpath.join(self.site.root, name, "license"),
            "output_dir": self._output(where, item, name),
            "models_dir": posixpath.join(self.site.root, name, "models") if family.models else None,
            "shared_dir": None,
            "owner": family.user,
            "restart": self._restart(where, item),
            "ready_timeout": self._ready_timeout(where, item, family.ready_timeout),
            "companions": self._companions(where, item, family),
            "depends_on": [],
            "order": 0,
            "needs": {
                "cpus": {"minimum": cpu_size.minimum, "recommended": cpu_size.recommended},
                "memory": {"minimum": int(memory_size.minimum), "recommended": int(memory_size.recommended)},
                "cpu_flags": family.cpu_flags,
                "gpu": gpu,
                "architecture": family.architecture,
                "sources": {field: family.source(field) for field in ("cpus", "memory", "cpu_flags", "gpu", "architecture")},
            },
            "trees": [],
            "query": fill_query(family, settings),
        }

    def _family(self, where: str, item: dict[str, t.Any]) -> Family | None:
        if not item.get("family"):
            self._wrong(where, f"the family is missing; write one of {', '.join(self.catalogue.names())}.")
            return None
        try:
            return self.catalogue.get(item["family"])
        except CognitiveError as error:
            self._wrong(where, str(error))
            return None

    def _tag(self, where: str, item: dict[str, t.Any], family: Family) -> str:
        tag = item.get("tag")
        if tag is None or tag == "":
            self._wrong(where, f'the tag is missing; write {family.tag["rule"]}, for example "{family.tag["example"]}".')
        elif not isinstance(tag, str):
            # YAML reads 3.10 as the number 3.1 and 2024-11-30 as a date.
            self._wrong(where, f'the tag {tag} is not a text; put it in quotes, for example "{family.tag["example"]}".')
        elif not family.tag_allowed(tag):
            self._wrong(where, f'the tag {tag!r} is not one of family {family.name}; write {family.tag["rule"]}, for example "{family.tag["example"]}".')
        return str(tag)

    def _port(self, where: str, item: dict[str, t.Any]) -> int:
        port = parse_port(item.get("port"))
        if port is None:
            found = "is missing" if item.get("port") is None else f"{item['port']!r} is not a port"
            self._wrong(where, f"the port {found}; write a number from 1 to 65535 that is free on the host.")
        return port or 0

    def _bind(self, where: str, item: dict[str, t.Any]) -> str:
        bind = item.get("bind", self.site.bind)
        if "bind" in item and not _address(bind):
            self._wrong(where, f"bind {bind!r} is not an IP address; write one of the host's own, for example 127.0.0.1.")
        return str(bind)

    def _cpus(self, where: str, item: dict[str, t.Any], default: float) -> float:
        cpus = parse_number(item.get("cpus", default))
        if cpus is None or cpus < 0.01:
            self._wrong(where, f"cpus {item['cpus']!r} is not a number of CPUs; write a number from 0.01 on, for example 4.")
            return default
        return cpus

    def _memory(self, where: str, item: dict[str, t.Any], default: int) -> int:
        try:
            memory = parse_size(item.get("memory", default), "memory")
        except CognitiveError as error:
            self._wrong(where, str(error))
            return default
        if memory < _MINIMUM_MEMORY:
            self._wrong(where, f"memory {item['memory']!r} is less than Docker allows (6m); write a number with a unit, for example 8g.")
        return memory

    def _options(self, where: str, item: dict[str, t.Any], key: str) -> dict[str, str]:
        options = item.get(key) or {}
        if not isinstance(options, dict) or any(isinstance(value, (dict, list, tuple)) for value in options.values()):
            self._wrong(where, f"{key} {options!r} is not a table; write a name and a value for each.")
            return {}
        for option in options:
            plain = str(option).replace("__", ":").lower()
            if plain in _SECRET_OPTIONS:
                self._wrong(where, f"{key} names {option}, which a disconnected service does not have; take it out, only the export knows it.")
            elif plain in _OWN_OPTIONS:
                self._wrong(where, f"{key} names {option}, which this collection sets itself; take it out.")
        return {str(option): str(value).lower() if isinstance(value, bool) else str(value) for option, value in options.items()}

    def _output(self, where: str, item: dict[str, t.Any], name: str) -> str:
        output = item.get("output")
        if output is None:
            return posixpath.join(self.site.root, name, "output")
        if not isinstance(output, str) or not posixpath.isabs(output) or ":" in output or posixpath.normpath(output) == "/":
            self._wrong(where, f"output {output!r} is not a directory of the host; write a path that begins with / and has no colon.")
            return ""
        return posixpath.normpath(output)

    def _restart(self, where: str, item: dict[str, t.Any]) -> str:
        restart = item.get("restart", "unless-stopped")
        # YAML reads a bare no as false.
        restart = "no" if restart is False else restart
        if restart not in RESTART_POLICIES:
            self._wrong(where, f"restart {restart!r} is not a policy; choose one of {', '.join(RESTART_POLICIES)}.")
        return str(restart)

    def _ready_timeout(self, where: str, item: dict[str, t.Any], default: int) -> int:
        number = parse_number(item.get("ready_timeout", default))
        if number is None:
            self._wrong(where, f"ready_timeout {item['ready_timeout']!r} is not a number of seconds; write a number above 0, for example 600.")
        return int(number or default)

    def _companions(self, where: str, item: dict[str, t.Any], family: Family) -> dict[str, str]:
        companions = item.get("companions") or {}
        if not isinstance(companions, dict):
            self._wrong(where, f"companions {companions!r} is not a table; write the companion's family and the name of its service.")
            return {}
        for companion in companions:
            if companion not in family.companions:
                allowed = f"it has {', '.join(family.companions)}" if family.companions else "it has none"
                self._wrong(where, f"companions names {companion}, which family {family.name} does not work with; {allowed}.")
        return {str(companion): str(name) for companion, name in companions.items() if companion in family.companions}

    def _check_together(self, services: list[dict[str, t.Any]]) -> None:
        """Names and ports that two services of the host want both."""
        for index, service in enumerate(services):
            for other in services[:index]:
                if service["name"] == other["name"]:
                    self._wrong(f"service {service['name']}", "two services have this name; give each its own.")
                if service["port"] and service["port"] == other["port"] and _overlap(service["bind"], other["bind"]):
                    self._wrong(
                        f"services {other['name']} and {service['name']}", f"both want port {service['port']}; give each service of a host its own port."
                    )

    def _mount(self, service: dict[str, t.Any]) -> None:
        """Options, environment and mounts of the container, now that its companions are known."""
        family = self.families[service["name"]]
        options = {"eula": "accept", "Mounts:License": family.license, "Mounts:Output": family.output}
        volumes = [f"{service['license_dir']}:{family.license}:ro", f"{service['output_dir']}:{family.output}"]
        tree = {"family": family.name, "tag": service["release"], "owner": family.user, "group": family.user, "mode": "0440", "directory_mode": "0550"}
        service["trees"] = [{"kind": "license", "dest": service["license_dir"], **tree}]
        if service["models_dir"]:
            volumes.append(f"{service['models_dir']}:{family.models}:ro")
            service["trees"].append({"kind": "models", "dest": service["models_dir"], **tree})
        if service["shared_dir"]:
            volumes.append(f"{service['shared_dir']}:{family.shared['mount']}")
            options.update(family.shared["options"])
        options.update({**fill_table(family, family.options, service["settings"]), **service.pop("arguments")})
        service["command"], environment = family.option_lists(options)
        service["env"] = {**fill_table(family, family.environment, service["settings"]), **environment, **service["env"]}
        service["volumes"] = volumes

    def _in_order(self, services: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
        """Companions before those that need them, else as declared."""
        ordered: list[dict[str, t.Any]] = []
        waiting = list(services)
        while waiting:
            done = {service["name"] for service in ordered}
            following = next((service for service in waiting if done.issuperset(service["depends_on"])), None)
            if following is None:
                names = ", ".join(service["name"] for service in waiting)
                self._wrong(f"services {names}", "each waits for another of them; change the companions of their families.")
                return services
            following["order"] = len(ordered)
            ordered.append(following)
            waiting.remove(following)
        return ordered


def _overlap(one: str, other: str) -> bool:
    """Whether one port can be published on only one of two addresses."""
    return one == other or any(_address(bind) and ipaddress.ip_address(bind).is_unspecified for bind in (one, other))
