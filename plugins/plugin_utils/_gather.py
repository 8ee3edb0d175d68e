# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""What a gather makes of the answers of a host: a record for the ledger, and words for the result."""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import (
    CognitiveError,
)
from ansible_collections.airgap.cognitive.plugins.plugin_utils._ledger import (
    KIND,
    SCHEMA,
    Entry,
    Record,
    utc,
    when,
)

# Two years of months: beyond that, the total of the mount still holds everything.
MOST_MONTHS = 24


def months_to_ask(now: float, wanted: int, last: Entry | None) -> list[str]:
    """The C(wanted) months up to now, oldest first, and those since the last record, so that none is passed over."""
    if not 1 <= wanted <= MOST_MONTHS:
        raise CognitiveError(f"months: {wanted} is not a number of months; write 1 to {MOST_MONTHS}.")
    today = when(utc(now))
    current = today.year * 12 + today.month - 1
    if last is not None:
        before = when(last.record["time"])
        wanted = min(max(wanted, current - (before.year * 12 + before.month - 1) + 1), MOST_MONTHS)
    return [f"{month // 12:04d}-{month % 12 + 1:02d}" for month in range(current - wanted + 1, current + 1)]


def new_record(site: str, host: str, now: float) -> Record:
    """What every record begins with."""
    return {"kind": KIND, "schema": SCHEMA, "site": site, "host": host, "time": utc(now)}


def unreachable_record(site: str, host: str, now: float, problem: str) -> Record:
    """The record of a host that did not answer."""
    return {**new_record(site, host, now), "reachable": False, "problem": " ".join(problem.split())[:500]}


def reachable_record(site: str, host: str, now: float, gathered: Record, host_clock: float) -> Record:
    """The record of a host that answered; the logs of its mounts are added by the one who fetched them."""
    return {
        **new_record(site, host, now),
        "reachable": True,
        "clock": {"host": utc(host_clock), "ahead": round(host_clock - now)},
        "engine": gathered["engine"],
        "services": gathered["services"],
        "mounts": gathered["mounts"],
        "since_last": {},
    }


def outcome(service: Record) -> str:
    """C(answered), or why not, of one service of a record."""
    problems = []
    for answer in service["answers"]:
        if answer["error"]:
            problems.append(str(answer["error"]))
        elif answer["status"] != 200 and not (answer["month"] and answer["status"] == 404):
            problems.append(f"HTTP status {answer['status']} for {answer['path']}")
    return problems[0] if problems else "answered"


def brief(record: Record | None) -> dict[str, t.Any]:
    """A record for the eyes of one who reads a diff."""
    if record is None:
        return {}
    if not record["reachable"]:
        return {"reachable": False}
    return {service["name"]: {answer["path"]: answer["error"] or answer["body"][:500] for answer in service["answers"]} for service in record["services"]} | {
        "logs": {mount["id"]: {key: mount["logs"].get(key) for key in ("files", "bytes")} for mount in record["mounts"]}
    }
