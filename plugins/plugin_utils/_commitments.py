# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Commitments: how much of a month's quota is used, and when a commitment ends."""

from __future__ import annotations

import datetime
import typing as t
from decimal import Decimal

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError

# From this share on it is time to think of more units.
NEAR = Decimal("0.8")
_KEYS = ("family", "meter", "monthly_quota", "ends")


def check_commitments(commitments: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """C(commitments) as they were declared, with a quota that is a number and an end that is a date; or what is wrong."""
    checked = []
    for number, commitment in enumerate(commitments, 1):
        where = f"Commitment {number}"
        unknown = sorted(set(commitment) - set(_KEYS))
        if unknown:
            raise CognitiveError(f"{where} has the unknown key {unknown[0]!r}; the keys are {', '.join(_KEYS)}.")
        for key in ("family", "meter", "monthly_quota"):
            if commitment.get(key) in (None, ""):
                raise CognitiveError(f"{where} has no {key}; write family, meter and monthly_quota.")
        try:
            quota = Decimal(str(commitment["monthly_quota"]))
            good = quota.is_finite() and quota > 0
        except ArithmeticError:
            good = False
        if not good:
            raise CognitiveError(f"{where} ({commitment['family']}): the monthly_quota {commitment['monthly_quota']!r} is not a number above zero.")
        checked.append({"family": str(commitment["family"]), "meter": str(commitment["meter"]), "monthly_quota": quota, "ends": _date(commitment, where)})
    return checked


def _date(commitment: t.Mapping[str, t.Any], where: str) -> str | None:
    ends = commitment.get("ends")
    if ends is None:
        return None
    try:
        return datetime.date.fromisoformat(str(ends)).isoformat()
    except ValueError as error:
        raise CognitiveError(f"{where} ({commitment['family']}): ends {ends!r} is not a date; write it as 2027-03-31.") from error


def compare_with_commitments(
    usage: t.Sequence[t.Mapping[str, t.Any]], commitments: t.Sequence[t.Mapping[str, t.Any]], as_of: str | None
) -> list[dict[str, t.Any]]:
    """Each commitment with what its meter used in the month of C(as_of), in billed units where the services name them."""
    if as_of is None:
        return []
    month, today = as_of[:7], datetime.date.fromisoformat(as_of[:10])
    results = []
    for commitment in check_commitments(commitments):
        rows = [row for row in usage if row["month"] == month and row["meter"] == commitment["meter"] and commitment["family"] in row["family"].split("+")]
        used = sum((row["quantity"] if row["billed_unit"] is None else row["billed_unit"] for row in rows), Decimal(0))
        ends = commitment["ends"]
        share = used / commitment["monthly_quota"]
        results.append(
            {
                **commitment,
                "month": month,
                "used": used,
                "share": share.quantize(Decimal("0.0001")),
                "state": "over" if share > 1 else "near" if share >= NEAR else "within",
                "days_left": (datetime.date.fromisoformat(ends) - today).days if ends else None,
            }
        )
    return results
