# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Which services of a host work with which, and what each is told of the other."""

from __future__ import annotations

import posixpath
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._family import Family

Service = dict[str, t.Any]


def link(service: Service, family: Family, services: t.Mapping[str, Service], wrong: t.Callable[[str], None]) -> None:
    """Find the companions of C(service) among the C(services) of its host, by name, and tell it their names; C(wrong) gets what cannot be."""
    wanted, service["companions"] = service["companions"], {}
    groups: dict[str, list[str]] = {}
    for companion, how in family.companions.items():
        groups.setdefault(str(how.get("any_of") or companion), []).append(companion)
    for members in groups.values():
        named = [companion for companion in members if companion in wanted]
        if named:
            for companion in named:
                _link_named(service, family, services, companion, wanted[companion], wrong)
        elif not all(family.companions[companion].get("optional") for companion in members):
            _link_found(service, family, services, members, wrong)


def _link_named(service: Service, family: Family, services: t.Mapping[str, Service], companion: str, name: str, wrong: t.Callable[[str], None]) -> None:
    there = _there(services, companion)
    if name not in there:
        wrong(f"its companion {name} is not a service of family {companion} on this host; {_alternatives(there)}.")
    else:
        _connect(service, family, companion, services[name])


def _link_found(service: Service, family: Family, services: t.Mapping[str, Service], members: list[str], wrong: t.Callable[[str], None]) -> None:
    """The only service that can be meant; of several families one is enough, and the first in the catalogue comes first."""
    for companion in members:
        there = _there(services, companion)
        if len(there) == 1:
            _connect(service, family, companion, services[there[0]])
            return
        if there:
            wrong(f"it needs one service of family {companion} and there are {', '.join(there)}; name one below companions.")
            return
    wrong(f"it needs a service of family {' or '.join(members)} on the same host; add one to cognitive_services of {service['host']}.")


def _there(services: t.Mapping[str, Service], companion: str) -> list[str]:
    return [name for name, other in services.items() if other["family"] == companion]


def _connect(service: Service, family: Family, companion: str, other: Service) -> None:
    how = family.companions[companion]
    service["companions"][companion] = other["name"]
    service["depends_on"].append(other["name"])
    service["env"].setdefault(how["option"], how["value"].format(name=other["name"], port=other["container_port"]))
    for option, value in how.get("environment", {}).items():
        other["env"].setdefault(option, str(value))
    if how.get("shared"):
        # The companion's, so that two services can share it.
        service["shared_dir"] = other["shared_dir"] = posixpath.join(other["root"], "shared")


def _alternatives(names: list[str]) -> str:
    return f"there are {', '.join(names)}" if names else "add one to cognitive_services"
