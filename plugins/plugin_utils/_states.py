# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""What is known of a host and of its services after all their gathers."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.cognitive.plugins.plugin_utils._counters import Remark

Finding = dict[str, t.Any]
HostKey = tuple[str, str]


@dataclass
class ServiceState:
    """What is known of one service of a host after all its gathers."""

    name: str
    family: str
    last_seen: str
    last_good: str | None = None
    source: str | None = None
    problems: list[str] = field(default_factory=list)
    blind: bool = True
    container: str | None = None


@dataclass
class HostState:
    """One host after all its gathers."""

    site: str
    host: str
    gathers: int = 0
    first: str = ""
    last: str = ""
    reachable: bool = True
    reached: str | None = None
    problem: str | None = None
    source: str | None = None
    services: dict[str, ServiceState] = field(default_factory=dict)
    rows: list[dict[str, t.Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def find(self, remark: Remark, service: str | None = None) -> None:
        """Add a finding about this host."""
        self.findings.append(
            {
                "level": remark.level,
                "kind": remark.kind,
                "site": self.site,
                "host": self.host,
                "service": service,
                "text": remark.text,
                "evidence": remark.evidence,
            }
        )
