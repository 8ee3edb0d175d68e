# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The counters of one output directory over time: which answers tell the same counter, and its last good value.

Counters are cumulative: every answer repeats what the one before said, so values are never summed over
time. Two services on one directory either both report the whole directory, or each its own part; the
documentation leaves it open, so the answers themselves decide (L(same_counter)).
"""

from __future__ import annotations

import itertools
import typing as t
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from ansible_collections.airgap.cognitive.plugins.plugin_utils._readings import Amount, Usage, add, plain, subtract

UNDATED = "undated"
NOTHING = Amount(Decimal(0), Decimal(0))


@dataclass(frozen=True)
class Reading:
    """A good answer with its circumstances. C(order) is the gather's place in time and the answer's in the gather."""

    order: tuple[int, int]
    time: str
    source: str
    service: str
    reporter: str
    month: str | None
    first: bool
    usage: Usage

    def amount(self, meter: str) -> Amount:
        """What this says of C(meter); a meter that a report does not name was not used."""
        return self.usage.meters.get(meter, NOTHING)


@dataclass
class Row:
    """Quantity of a meter for a month, with the answer that it comes from."""

    meter: str
    month: str
    amount: Amount
    reading: Reading


@dataclass
class Remark:
    """Something that a reader must know to believe the numbers."""

    level: str
    kind: str
    text: str
    evidence: dict[str, t.Any] = field(default_factory=dict)


@dataclass
class Group:
    """Readings of one counter."""

    readings: list[Reading]

    @property
    def services(self) -> list[str]:
        """The services that report it."""
        return sorted({reading.service for reading in self.readings})

    @property
    def reporters(self) -> list[str]:
        """The names that they report it under."""
        return sorted({reading.reporter for reading in self.readings})


def group_readings(readings: t.Sequence[Reading], place: str) -> tuple[list[Group], list[Remark]]:
    """Those C(readings) of one directory that tell the same counter, together."""
    by_reporter: dict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        by_reporter[reading.reporter].append(reading)
    groups = [Group(by_reporter[name]) for name in sorted(by_reporter)]
    remarks = []
    for one, other in itertools.combinations(sorted(by_reporter), 2):
        told_by = sorted({reading.service for reading in by_reporter[one] + by_reporter[other]})
        evidence = {"services": told_by, "reported_as": [one, other]}
        same, why = same_counter(by_reporter[one], by_reporter[other])
        if same:
            groups = _join(groups, one, other)
            text = f"{_and(told_by)} have the same output directory on {place} and report the same numbers ({why}); these are counted once. "
        else:
            text = f"{_and(told_by)} have the same output directory on {place} and report different numbers ({why}); these are added up. "
        remarks.append(Remark("notice", "shared-directory", text + "Give each service an output directory of its own.", evidence))
    return groups, remarks


def _join(groups: list[Group], one: str, other: str) -> list[Group]:
    joined = [group for group in groups if one in group.reporters or other in group.reporters]
    whole = Group(sorted((reading for group in joined for reading in group.readings), key=lambda reading: reading.order))
    return [group for group in groups if group not in joined] + [whole]


def same_counter(one: t.Sequence[Reading], other: t.Sequence[Reading]) -> tuple[bool, str]:
    """Whether two reporters on one directory tell one counter, and how that can be seen.

    One counter never goes down, whoever is asked. So where both answered in one gather, their answers in
    the order of asking decide; where they never did (one took the place of the other), the change from
    one to the other does.
    """
    together = {reading.order[0] for reading in one} & {reading.order[0] for reading in other}
    if together:
        used = False
        for gather in sorted(together):
            readings = sorted((reading for reading in (*one, *other) if reading.order[0] == gather), key=lambda reading: reading.order)
            if _goes_down(readings):
                return False, f"asked in turn on {readings[0].time}, they went up and down"
            used = used or any(reading.usage.meters for reading in readings)
        return (True, "asked in turn, they never differed but by growth") if used else (False, "neither reports any usage")
    readings = sorted((*one, *other), key=lambda reading: reading.order)
    if _goes_down(readings):
        return False, "when one took the place of the other, the numbers began anew"
    return True, "when one took the place of the other, the numbers went on"


def _goes_down(readings: t.Sequence[Reading]) -> bool:
    """Whether any quantity, in the order of C(readings), is ever less than before."""
    meters = {meter for reading in readings for meter in reading.usage.meters}
    before: dict[tuple[str | None, str], Decimal] = {}
    for reading in readings:
        for meter in meters - reading.usage.unreadable:
            quantity = reading.amount(meter).quantity
            if quantity < before.get((reading.month, meter), Decimal(0)):
                return True
            before[reading.month, meter] = quantity
    return False


def went_down(before: t.Sequence[Reading], after: t.Sequence[Reading]) -> bool:
    """Whether a reporter, or all of them where none is the same, reports less C(after) than it did C(before)."""
    common = {reading.reporter for reading in before} & {reading.reporter for reading in after}
    reporters: list[str | None] = [*sorted(common)] or [None]
    for reporter in reporters:
        earlier = _last([reading for reading in before if reporter in (None, reading.reporter)])
        later = _last([reading for reading in after if reporter in (None, reading.reporter)])
        for month, reading in later.items():
            if month in earlier and _goes_down([earlier[month], reading]):
                return True
    return False


def _last(readings: t.Sequence[Reading]) -> dict[str | None, Reading]:
    return {reading.month: reading for reading in sorted(readings, key=lambda reading: reading.order)}


def fold(group: Group, place: str) -> tuple[list[Row], list[Remark]]:
    """Of each meter and month the last good value, and what the total of the directory has beyond the months."""
    who = f"{_and(group.services)} on {place}"
    remarks: list[Remark] = []
    readings = sorted(group.readings, key=lambda reading: reading.order)
    if _ignores_month(readings):
        remarks.append(
            Remark("anomaly", "months-are-total", f"{who}: the answers for single months repeat the total; only the total is counted, without a month.")
        )
        readings = [reading for reading in readings if reading.month is None]
    values = _highest(readings, who, remarks)
    totals = _highest([reading for reading in readings if reading.month is None and reading.first], who, [])
    rows = []
    for meter in sorted({meter for _month, meter in values}):
        months = {month: value for (month, name), value in values.items() if name == meter and month is not None}
        total = totals.get((None, meter)) or values.get((None, meter))
        rows += _rows_of(meter, months, total, readings, who, remarks)
    return rows, remarks


def _rows_of(meter: str, months: dict[str, Row], total: Row | None, readings: t.Sequence[Reading], who: str, remarks: list[Remark]) -> list[Row]:
    rows = [months[month] for month in sorted(months)]
    if total is None:
        return rows
    known = NOTHING if months else None
    for row in rows:
        known = add(known, row.amount)
    if known is None:
        return [Row(meter, UNDATED, total.amount, total.reading)]
    if known.quantity < total.amount.quantity:
        rows.append(Row(meter, UNDATED, subtract(total.amount, known), total.reading))
    elif known.quantity > total.amount.quantity and _quiet(readings):
        remarks.append(
            Remark(
                "anomaly",
                "months-exceed-total",
                f"{who}: the months of {meter} add up to {plain(known.quantity)}, more than its total of {plain(total.amount.quantity)}; the months are counted.",
                {"meter": meter, "months": plain(known.quantity), "total": plain(total.amount.quantity)},
            )
        )
    return rows


def _highest(readings: t.Sequence[Reading], who: str, remarks: list[Remark]) -> dict[tuple[str | None, str], Row]:
    """The highest value of each meter and month, which is the last one as long as none goes down."""
    values: dict[tuple[str | None, str], Row] = {}
    latest: dict[tuple[str | None, str], tuple[Decimal, Reading]] = {}
    for reading in readings:
        known = {meter for month, meter in values if month == reading.month}
        for meter in sorted((known | set(reading.usage.meters)) - reading.usage.unreadable):
            key, amount = (reading.month, meter), reading.amount(meter)
            if key in latest and amount.quantity < latest[key][0]:
                remarks.append(_fell(who, meter, latest[key], amount.quantity, reading))
            latest[key] = (amount.quantity, reading)
            if key not in values or amount.quantity >= values[key].amount.quantity:
                values[key] = Row(meter, reading.month or UNDATED, amount, reading)
    return values


def _fell(who: str, meter: str, before: tuple[Decimal, Reading], quantity: Decimal, reading: Reading) -> Remark:
    what = f"for {reading.month}" if reading.month else "in total"
    evidence = {
        "meter": meter,
        "month": reading.month,
        "before": {"quantity": plain(before[0]), "time": before[1].time, "record": before[1].source},
        "after": {"quantity": plain(quantity), "time": reading.time, "record": reading.source},
    }
    text = (
        f"{who}: {meter} went down from {plain(before[0])} to {plain(quantity)} {what} between {before[1].time} and {reading.time} "
        "in the same directory; the higher number is counted, and what was used since may be missing."
    )
    return Remark("anomaly", "went-down", text, evidence)


def _ignores_month(readings: t.Sequence[Reading]) -> bool:
    """Whether some gather got the total for two different months: at most one of them can have it all."""
    by_gather: dict[tuple[int, str], list[Reading]] = defaultdict(list)
    for reading in readings:
        by_gather[reading.order[0], reading.service].append(reading)
    for answers in by_gather.values():
        totals = [_quantities(reading) for reading in answers if reading.month is None]
        same = {reading.month for reading in answers if reading.month and _quantities(reading) and _quantities(reading) in totals}
        if len(same) > 1:
            return True
    return False


def _quantities(reading: Reading) -> dict[str, Decimal]:
    return {meter: amount.quantity for meter, amount in reading.usage.meters.items() if amount.quantity}


def _quiet(readings: t.Sequence[Reading]) -> bool:
    """Whether nothing was used while the last gather asked."""
    last = readings[-1].order[0]
    totals = [_quantities(reading) for reading in readings if reading.order[0] == last and reading.month is None]
    return len(totals) > 1 and all(total == totals[0] for total in totals)


def _and(names: t.Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
