#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes docs/families.md from the catalogue; C(--check) only says whether it is as it should be."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / ".build" / "collections"), str(CHECKOUT / "tests" / "docs")]

from documented import DEFECTS, GENERAL_DEFECTS, commands_of

from ansible_collections.airgap.cognitive.plugins.module_utils._download_request import Request
from ansible_collections.airgap.cognitive.plugins.module_utils._download_run import describe
from ansible_collections.airgap.cognitive.plugins.module_utils._family import Catalogue, Family
from ansible_collections.airgap.cognitive.plugins.module_utils._family_data import REFUSED
from ansible_collections.airgap.cognitive.plugins.module_utils._service import Site, resolve
from ansible_collections.airgap.cognitive.plugins.module_utils._settings import check_settings
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size

PAGE = CHECKOUT / "docs" / "families.md"
CATALOGUE = Catalogue()
STAGING = "./staging"
_BREAKS = (" -e ", " -v ", " -p ", " --memory ", " --cpus ", " --gpus ", " --network ", " {IMAGE}", " azure-cognitive-services/")


def settings_of(family: Family) -> dict[str, t.Any]:
    """The examples of what must be set."""
    examples = {name: rule["example"] for name, rule in family.settings.items() if rule.get("required")}
    return check_settings(family, examples)[0]


def service_of(family: Family) -> dict[str, t.Any]:
    """The family as a service of a host that has all companions that it needs."""
    declared = [{"name": family.name, "family": family.name, "tag": family.tag["example"], "port": 5001, "settings": settings_of(family)}]
    groups = set()
    for number, (name, link) in enumerate(family.companions.items()):
        companion = CATALOGUE.get(name)
        group = link.get("any_of") or name
        if not link.get("optional") and group not in groups:
            declared.append({"name": name, "family": name, "tag": companion.tag["example"], "port": 5002 + number})
        groups.add(group)
    return next(service for service in resolve({"edge1": declared}, CATALOGUE, Site())["services"] if service["name"] == family.name)


def connected_runs(family: Family) -> list[list[str]]:
    """What the export runs, word by word; C({…}) is what a vault or the inventory says."""
    settings, tag = settings_of(family), family.tag["example"]
    request = Request(
        family=family,
        tag=tag,
        image=family.image(tag),
        endpoint="{ENDPOINT}",
        api_key="{API_KEY}",
        path="license",
        models_path="models",
        network=None,
        environment={},
        renew_before=0,
        ends=None,
        timeout=None,
        settle=1,
        settings=settings,
    )
    parts = {kind: f"{STAGING}/{kind}s/{family.name}" if kind == "license" else f"{STAGING}/{kind}/{family.name}" for kind in request.kinds}
    runs = []
    for step in family.downloads:
        if "files" in step:
            continue
        run = describe(request, step, parts)
        which = "MODEL_" if step.get("resource") else ""
        environment = {**run.environment, "Billing": f"{{{which}ENDPOINT}}", "ApiKey": f"{{{which}API_KEY}}"}
        mounts = [f"{here}:{there}" for here, there in run.mounts.items()]
        runs.append(words([], mounts, environment, family.image(tag), run.command))
    return runs


def disconnected_run(family: Family) -> list[str]:
    """What the site runs, word by word."""
    service = service_of(family)
    head = ["-p", f"{service['bind']}:{service['port']}:{service['container_port']}", "--network", service["network"]]
    head += ["--memory", f"{service['memory'] // 1024**3}g", "--cpus", f"{service['cpus']:g}", *(["--gpus", "all"] if service["gpu"] else [])]
    told = dict.fromkeys(family.captures, "{TOLD_BY_THE_DOWNLOAD}")
    return words(head, service["volumes"], {**told, **service["env"]}, service["image"], service["command"])


def words(head: list[str], mounts: list[str], environment: t.Mapping[str, str], image: str, command: list[str]) -> list[str]:
    """A command line."""
    line = ["docker", "run", *head]
    for mount in mounts:
        line += ["-v", mount]
    for name, value in environment.items():
        line += ["-e", f"{name}={value}"]
    return [*line, image, *command]


def broken(command: str) -> str:
    """A command on lines of its own parts."""
    for word in _BREAKS:
        command = command.replace(word, f" \\\n   {word}")
    return command


def picture() -> str:
    """What depends on what."""
    lines = ["```mermaid", "graph LR"]
    for name in CATALOGUE.names():
        for companion, link in CATALOGUE.get(name).companions.items():
            kinds = {"optional": "may use", "any_of": "needs this or the other", "shared": "needs, and shares a folder with"}
            label = next((label for kind, label in kinds.items() if link.get(kind)), "needs")
            lines.append(f"    {name} {'-.->' if link.get('optional') else '-->'}|{label}| {companion}")
    return "\n".join([*lines, "```"])


def facts(family: Family) -> list[tuple[str, str]]:
    """Rows of the family's table."""
    example = family.tag["example"]
    cpus, memory = family.size(example)
    rows = [
        ("image", f"`{family.repository}`"),
        ("tag", f"{family.tag['rule']}, for example `{example}`"),
        ("port in the container", str(family.port)),
        ("CPUs, memory", f"at least {cpus.minimum:g} and {format_size(int(memory.minimum))}, better {cpus.recommended:g} and {format_size(int(memory.recommended))}"),
    ]
    for size in family.sizes:
        pairs = [(key, size[key]) for key in ("cpus", "memory") if key in size]
        rows.append((f"with tags `{size['tags']}`", "; ".join(f"at least {_size(key, pair['minimum'])}, better {_size(key, pair['recommended'])}" for key, pair in pairs)))
    rows += [(f"CPU features {level}", ", ".join(flags)) for level, flags in family.cpu_flags.items() if flags]
    if family.gpu:
        unless = ", ".join(f"unless `{name}` is `{value}`" for name, value in family.gpu.get("unless", {}).items())
        rows.append(("GPU", " ".join(filter(None, [family.gpu["need"], "" if family.gpu["tags"] == ".*" else f"for tags `{family.gpu['tags']}`", unless]))))
    rows.append(("takes options as", family.style))
    if family.models:
        rows.append(("models at", f"`{family.models}`"))
    if family.shared:
        rows.append(("shared folder at", f"`{family.shared['mount']}`"))
    for name, rule in family.settings.items():
        example = rule["example"] if isinstance(rule["example"], str) else f"[{', '.join(rule['example'])}]"
        rows.append((f"setting `{name}`", f"{rule['rule']}, for example `{example}`; {'needed' if rule.get('required') else 'may be left out'}"))
    query = f"`{family.query['method']} {family.query['path']}`, answered with {family.query['status']}"
    return [*rows, ("sample query", query), ("commitment", family.commitment), ("source", "; ".join(dict.fromkeys(family.sources.values())))]


def _size(key: str, value: float) -> str:
    return f"{value:g} CPUs" if key == "cpus" else format_size(int(value))


def section(family: Family) -> str:
    """One family."""
    lines = [f"## {family.name}", "", f"{family.title}.", "", "| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in facts(family)), ""]
    if family.name in DEFECTS:
        lines += [f"In the documents: {DEFECTS[family.name]}.", ""]
    ours = [*connected_runs(family), disconnected_run(family)]
    documented = commands_of(family.name)
    for index, (theirs, run) in enumerate(zip(documented, ours)):
        title = "Disconnected" if index == len(ours) - 1 else f"Connected, run {index + 1} of {len(ours) - 1}"
        lines += [f"{title}, as documented and put right:", "", "```sh", broken(theirs.replace("{port}", str(family.port))), "```", ""]
        lines += ["and as it is run here:", "", "```sh", broken(" ".join(run)), "```", ""]
    return "\n".join(lines)


def page() -> str:
    """The whole page."""
    refused = [f"| `{name}` | {reason} |" for name, reason in sorted(REFUSED.items())]
    defects = [f"- {defect};" for defect in GENERAL_DEFECTS]
    return "\n".join(
        [
            "<!-- Made by tests/docs/families.py from the catalogue; do not write here. -->",
            "",
            "# Families of containers",
            "",
            "What each needs and how it is run. Every field can be overridden, and families added, with `cognitive_families`;",
            "`ansible-doc -t lookup airgap.cognitive.family` shows how to read them. The images are below any registry.",
            "",
            "Commands as they are printed on Microsoft's page on disconnected use have mistakes, which are put right below:",
            "",
            *defects,
            "",
            "On the way here the key is never part of a command line: it is given to the engine as environment of that one container.",
            "The license is mounted read-only when a service runs, and each service has a license and an output directory of its own.",
            "",
            "## What works with what",
            "",
            picture(),
            "",
            *(section(CATALOGUE.get(name)) for name in CATALOGUE.names()),
            "## Not to be had disconnected",
            "",
            "| | |",
            "|---|---|",
            *refused,
            "",
        ]
    )


def main(arguments: list[str]) -> int:
    """Write the page, or compare it."""
    text = page()
    if arguments == ["--check"]:
        if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
            return 0
        print(f"{PAGE.relative_to(CHECKOUT)} is not as the catalogue is; write it with {Path(__file__).relative_to(CHECKOUT)}.")
        return 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
