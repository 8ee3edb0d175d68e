# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The resources, read from a JSON file, and what each may have."""

from __future__ import annotations

import dataclasses
import datetime
import hmac
import json
import time
import typing as t
import urllib.parse
from pathlib import Path

STATUS_CODES = {"Invalid": 401, "Mismatch": 403, "ContainerUseUnauthorized": 403, "OutOfQuota": 403, "BillingEndpointBusy": 503}


@dataclasses.dataclass(frozen=True)
class Resource:
    """One Azure resource.

    C(families) are the containers that its key is good for. Its licenses last C(days) (may be a fraction, and below zero) or to the end of
    the day C(ends). C(status) other than C(Valid) is what every request is answered with.
    """

    host: str
    path: str
    api_key: str
    families: tuple[str, ...]
    days: float = 365
    ends: str = ""
    status: str = "Valid"

    def expires(self, now: float) -> float:
        if not self.ends:
            return now + self.days * 86400
        day = datetime.date.fromisoformat(self.ends) + datetime.timedelta(days=1)
        return datetime.datetime.combine(day, datetime.time(), datetime.UTC).timestamp()


def read_resources(path: Path) -> list[Resource]:
    """The file is C({"resources": [{"endpoint", "api_key", "families", "days" | "ends", "status"}]})."""
    found = []
    for entry in json.loads(path.read_text())["resources"]:
        parts = urllib.parse.urlsplit(entry["endpoint"])
        resource = Resource(
            host=str(parts.hostname or ""),
            path=parts.path.rstrip("/"),
            api_key=str(entry["api_key"]),
            families=tuple(entry["families"]),
            days=float(entry.get("days", 365)),
            ends=str(entry.get("ends") or ""),
            status=str(entry.get("status", "Valid")),
        )
        if resource.status != "Valid" and resource.status not in STATUS_CODES:
            raise ValueError(f"status {resource.status!r} of {entry['endpoint']} is not one of Valid, {', '.join(STATUS_CODES)}.")
        found.append(resource)
    return found


def answer(
    resources: t.Sequence[Resource], host: str, path: str, key: str, question: t.Mapping[str, t.Any], now: float | None = None
) -> tuple[int, dict[str, t.Any]]:
    """HTTP status and body for a request for a license. C(path) is the endpoint's own, without that of the request."""
    here = [resource for resource in resources if (resource.host, resource.path) == (host, path)]
    keyed = [resource for resource in here if hmac.compare_digest(resource.api_key.encode(), key.encode())]
    if not keyed:
        return STATUS_CODES["Invalid"], {"status": "Invalid"}
    family = question.get("containerType")
    fitting = [resource for resource in keyed if family in resource.families]
    if not fitting:
        return STATUS_CODES["Mismatch"], {"status": "Mismatch"}
    resource = fitting[0]
    if resource.status != "Valid":
        return STATUS_CODES[resource.status], {"status": resource.status}
    return 200, {"status": "Valid", "expires": resource.expires(time.time() if now is None else now)}
