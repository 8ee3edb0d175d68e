# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The families of containers: what each needs, and how it is told what to do.

The catalogue itself is in C(_family_data.py); an inventory may override any field of a family, or
add a family of its own with the same fields.
"""

from __future__ import annotations

import difflib
import re
import typing as t
from dataclasses import asdict, dataclass

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._family_data import FAMILIES, REFUSED
from ansible_collections.airgap.cognitive.plugins.module_utils._family_fields import FIELDS, check_field
from ansible_collections.airgap.cognitive.plugins.module_utils._units import parse_size

# What Microsoft's images have in common.
DEFAULTS: dict[str, t.Any] = {
    "title": "",
    "port": 5000,
    "style": "arguments",
    "tag": {"pattern": r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", "rule": "letters, digits, dots, dashes and underscores", "example": "1.0"},
    "sizes": [],
    "cpu_flags": {"required": [], "recommended": []},
    "gpu": {},
    "architecture": "x86_64",
    "user": 65532,
    "license": "/license",
    "output": "/output",
    "models": "",
    "shared": {},
    "options": {},
    "environment": {},
    "settings": {},
    "captures": {},
    "companions": {},
    "downloads": [{"kind": "license", "options": {"DownloadLicense": "True"}}],
    "ready_timeout": 300,
    "query": {},
    "commitment": "",
    "sources": {},
}


@dataclass(frozen=True)
class Size:
    """How much of something a container needs at least, and how much Microsoft recommends."""

    minimum: float
    recommended: float


@dataclass(frozen=True)
class Family:
    """One kind of container; sizes of memory are bytes."""

    name: str
    title: str
    # Image repository, without a registry; a registry may be part of it where an inventory says so.
    repository: str
    # Port on which the container listens.
    port: int
    # How the container takes options: C(arguments) after the image, or C(environment) only.
    style: str
    # C(pattern) that a whole tag matches, the C(rule) in words, and an C(example).
    tag: dict[str, str]
    cpus: dict[str, float]
    memory: dict[str, int]
    # Other C(cpus) and C(memory) for the C(tags) that match a pattern; the first that matches counts.
    sizes: list[dict[str, t.Any]]
    cpu_flags: dict[str, list[str]]
    # For the C(tags) that match a pattern, in words what they C(need), C(unless) a setting has a value; empty: no GPU.
    gpu: dict[str, t.Any]
    architecture: str
    # Number of the user, and of the group, that the container runs as.
    user: int
    # Where in the container the license, the output, the models (empty: none) and the shared folder are mounted.
    license: str
    output: str
    models: str
    shared: dict[str, t.Any]
    # Options and environment that the container always gets; a setting in braces is filled in.
    options: dict[str, str]
    environment: dict[str, str]
    # By name, what an operator chooses: C(pattern), C(rule) in words, C(example), and C(required), C(default), C(list), C(includes), C(count).
    settings: dict[str, dict[str, t.Any]]
    # By name, environment of the container that only its download tells: in its log, or else as C(directories) of the models, or the C(newest) file there.
    captures: dict[str, dict[str, str]]
    # By family, the C(option) that names the companion, its C(value), whether both share a folder (C(shared)), whether it is there only
    # where it is named (C(optional)), which of several is enough (C(any_of), one word for all of them), and the companion's C(environment).
    companions: dict[str, dict[str, t.Any]]
    # The connected runs, in order: C(kind) (license, models or both), C(options) and bare C(words) of the run, and whether it takes another
    # C(resource) than the license does; or C(files) that are brought by hand.
    downloads: list[dict[str, t.Any]]
    ready_timeout: int
    query: dict[str, t.Any]
    # The category of commitment that pays for it.
    commitment: str
    # By field, the title of the document that it comes from; C(*) is for all that is not named.
    sources: dict[str, str]

    def image(self, tag: str, registry: str = "") -> str:
        """Reference of the image with C(tag), in C(registry) where there is one."""
        return f"{registry.rstrip('/') + '/' if registry else ''}{self.repository}:{tag}"

    def tag_allowed(self, tag: str) -> bool:
        """Whether C(tag) looks like one of this family."""
        return re.fullmatch(self.tag["pattern"], tag) is not None

    def size(self, tag: str) -> tuple[Size, Size]:
        """CPUs and memory that an image with C(tag) needs."""
        for size in self.sizes:
            if re.fullmatch(size["tags"], tag):
                return Size(**size.get("cpus", self.cpus)), Size(**size.get("memory", self.memory))
        return Size(**self.cpus), Size(**self.memory)

    def source(self, field: str) -> str:
        """Title of the document that C(field) comes from."""
        return self.sources.get(field) or self.sources.get("*") or "the inventory"

    def option_lists(self, options: t.Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
        """C(options) in the way that this family takes them: as (arguments, environment)."""
        if self.style == "environment":
            return [], dict(options)
        return [f"{key}={value}" for key, value in options.items()], {}

    def as_dict(self) -> dict[str, t.Any]:
        """All fields, for a template."""
        return asdict(self)


class Catalogue:
    """All families: those of this collection, with what the inventory overrides or adds."""

    def __init__(self, overrides: t.Mapping[str, t.Any] | None = None) -> None:
        mistakes: list[str] = []
        self._families: dict[str, Family] = {}
        overrides = overrides or {}
        if not isinstance(overrides, dict):
            raise CognitiveError(f"families: {overrides!r} is not a dictionary; write the fields of each family below its name.")
        for name in [*FAMILIES, *(name for name in overrides if name not in FAMILIES)]:
            family = _build(name, FAMILIES.get(name, {}), overrides.get(name, {}), mistakes)
            if family is not None:
                self._families[name] = family
        for family in self._families.values():
            for companion in family.companions:
                if companion not in self._families:
                    mistakes.append(f"family {family.name}: companions names {companion}, which is not a family; {self._known()}.")
                elif family.companions[companion].get("shared") and not (family.shared and self._families[companion].shared):
                    mistakes.append(f"family {family.name}: it shares a folder with {companion}, so both need the field shared.")
        if mistakes:
            raise CognitiveError("\n".join(mistakes), mistakes=mistakes)

    def names(self) -> list[str]:
        """Names of all families, in order."""
        return sorted(self._families)

    def get(self, name: object) -> Family:
        """The family of that name; where there is none, the error says which there are."""
        family = self._families.get(str(name))
        if family is not None:
            return family
        if str(name) in REFUSED:
            raise CognitiveError(f"family {name} cannot be deployed: {REFUSED[str(name)]}; take it out.")
        near = difflib.get_close_matches(str(name), self.names(), n=1)
        advice = f"did you mean {near[0]}? Otherwise {self._known()}" if near else self._known()
        raise CognitiveError(f"family {name} is unknown; {advice}, or add it below cognitive_families.")

    def _known(self) -> str:
        return f"the families are {', '.join(self.names())}"


def _build(name: str, base: t.Mapping[str, t.Any], override: object, mistakes: list[str]) -> Family | None:
    """The family, or None where its fields are wrong; what is wrong is added to C(mistakes)."""
    where = f"family {name}"
    if name in REFUSED:
        mistakes.append(f"{where} cannot be added: {REFUSED[name]}.")
        return None
    if not isinstance(override, dict):
        mistakes.append(f"{where}: {override!r} is not a dictionary; write its fields below its name.")
        return None
    before = len(mistakes)
    for field in override:
        if field not in FIELDS:
            near = difflib.get_close_matches(str(field), FIELDS, n=1)
            mistakes.append(f"{where}: there is no field {field}; {f'did you mean {near[0]}?' if near else 'the fields are ' + ', '.join(FIELDS) + '.'}")
    fields = {**DEFAULTS, **base}
    for field, value in override.items():
        # Half of a pair of numbers may be overridden; a list or a table of options is replaced.
        fields[field] = {**fields.get(field, {}), **value} if isinstance(value, dict) and field in ("cpus", "memory", "tag", "sources") else value
    for field in ("repository", "cpus", "memory"):
        if field not in fields:
            mistakes.append(f"{where}: the field {field} is missing; a new family needs repository, cpus and memory.")
    if len(mistakes) > before:
        return None
    for field in FIELDS:
        mistakes.extend(f"{where}: {problem}" for problem in check_field(field, fields[field]))
    if len(mistakes) > before:
        return None
    fields["title"] = fields["title"] or name
    fields["cpus"] = _numbers(fields["cpus"])
    fields["memory"] = _sizes(fields["memory"])
    fields["sizes"] = [
        {key: _numbers(value) if key == "cpus" else _sizes(value) if key == "memory" else value for key, value in size.items()} for size in fields["sizes"]
    ]
    fields["cpu_flags"] = {level: list(fields["cpu_flags"].get(level, [])) for level in ("required", "recommended")}
    for field in ("port", "user", "ready_timeout"):
        fields[field] = int(fields[field])
    fields["settings"] = {str(setting): dict(rule) for setting, rule in fields["settings"].items()}
    fields["downloads"] = [{"options": {}, **step} for step in fields["downloads"]]
    for field in ("options", "environment"):
        fields[field] = {str(key): str(value) for key, value in fields[field].items()}
    return Family(name=name, **fields)


def _numbers(pair: t.Mapping[str, t.Any]) -> dict[str, float]:
    return {key: float(value) for key, value in pair.items()}


def _sizes(pair: t.Mapping[str, t.Any]) -> dict[str, int]:
    return {key: parse_size(value, key) for key, value in pair.items()}
