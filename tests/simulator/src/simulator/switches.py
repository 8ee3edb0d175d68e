# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The switches: each stands for something that is publicly unknown about the real containers. C(README.md) has the same table for people."""

from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass(frozen=True)
class Switch:
    """One unknown. Without C(positions) the switch takes a number."""

    default: str
    positions: tuple[str, ...] = ()

    def read(self, name: str, value: str) -> str:
        if self.positions:
            if value not in self.positions:
                raise ValueError(f"{name}: {value!r} is not a position; take one of {', '.join(self.positions)}.")
        else:
            try:
                number = float(value)
            except ValueError:
                number = -1
            if not 0 <= number < 1e6:
                raise ValueError(f"{name}: {value!r} is not a number from 0 on.")
        return value


SWITCHES: dict[str, Switch] = {
    # The license download
    "SIM_LICENSE_NAME": Switch("license.dat", ("license.dat", "guid", "nested", "hidden", "spaces")),
    "SIM_LICENSE_FILES": Switch("1"),
    "SIM_LICENSE_FORMAT": Switch("base64", ("base64", "binary", "json")),
    "SIM_LICENSE_MODE": Switch("0644", ("0644", "0600", "0400")),
    "SIM_LICENSE_WRITE": Switch("whole", ("whole", "slow")),
    "SIM_AFTER_DOWNLOAD": Switch("exit", ("exit", "serve")),
    "SIM_DOWNLOAD_REFUSED": Switch("exit", ("exit", "exit-0", "stay")),
    "SIM_MODELS": Switch("baked", ("baked", "download")),
    # The license check
    "SIM_LICENSE_BINDING": Switch("version", ("version", "family")),
    "SIM_LICENSE_READONLY": Switch("accept", ("accept", "refuse")),
    "SIM_LICENSE_MESSAGE": Switch("plain", ("plain", "reason")),
    "SIM_BAD_LICENSE": Switch("exit", ("exit", "unready", "ready")),
    "SIM_EXPIRY": Switch("running", ("running", "exit", "start")),
    # Start, readiness and status
    "SIM_EULA_EXIT": Switch("1", ("1", "0")),
    "SIM_IMAGE_EXPIRED": Switch("no", ("no", "yes")),
    "SIM_READY_DELAY": Switch("1"),
    "SIM_STATUS_VALID": Switch("api-key", ("api-key", "license")),
    "SIM_STATUS_INVALID": Switch("Invalid", ("Invalid", "Mismatch", "ContainerUseUnauthorized", "Unknown")),
    "SIM_COMPANION_MISSING": Switch("query", ("query", "unready")),
    # Usage
    "SIM_USAGE_FORMAT": Switch("jsonl", ("jsonl", "files", "snapshot")),
    "SIM_REPORT_SCOPE": Switch("mount", ("mount", "service")),
    "SIM_REPORT_SCHEMA": Switch("basic", ("basic", "billed")),
    "SIM_REPORT_METERS": Switch("summed", ("summed", "per-instance")),
    "SIM_REPORT_NUMBERS": Switch("integer", ("integer", "double")),
    "SIM_EMPTY_MONTH": Switch("empty", ("empty", "zero", "not-found")),
    "SIM_COMPANION_USAGE": Switch("free", ("free", "metered")),
}


class Switches:
    """Where each switch stands."""

    def __init__(self, environment: t.Mapping[str, str]) -> None:
        unknown = sorted(name for name in environment if name.startswith("SIM_") and name not in SWITCHES)
        if unknown:
            raise ValueError(f"{unknown[0]}: there is no such switch; the switches are {', '.join(SWITCHES)}.")
        self._values = {name: switch.read(name, environment.get(name, switch.default)) for name, switch in SWITCHES.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def number(self, name: str) -> float:
        return float(self._values[name])
