# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""What an answer of a usage endpoint is worth: quantities of meters, or the reason why it is worth nothing.

The schema is the published one, read with tolerance: unknown fields are left alone, C(billedUnit) may be
missing, decimals are exact, a meter that is named twice is summed. What cannot be a quantity is not counted.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation, localcontext

# Far beyond any plan (billions of characters a month), and still exact in every sum.
MOST_QUANTITY = Decimal(10) ** 18
MOST_METERS = 1000
_MOST_NAME = 256
_MOST_DIGITS = 60
EXACT = Context(prec=120)


class Amount(t.NamedTuple):
    """A quantity, and what of it counts against the license where the service says so."""

    quantity: Decimal
    billed: Decimal | None


@dataclass(frozen=True)
class Usage:
    """A good answer. C(unreadable) are the meters in it that could not be read, and so are not zero."""

    reporter: str | None
    meters: dict[str, Amount]
    unreadable: frozenset[str]


class _NotExact(ValueError):
    """A number that JSON does not have."""


def read_answer(answer: t.Mapping[str, t.Any]) -> tuple[Usage | None, list[str]]:
    """The usage that an answer tells, where it tells any, and what is wrong with it."""
    where = answer["path"]
    if answer.get("error"):
        return None, [f"{where}: {answer['error']}"]
    if answer.get("status") != 200:
        return None, [f"{where}: HTTP status {answer.get('status')}"]
    if "body_base64" in answer:
        return None, [f"{where}: the answer is not text in UTF-8"]
    body = answer.get("body")
    if not isinstance(body, str) or not body.strip():
        return None, [f"{where}: the answer is empty"]
    try:
        data = json.loads(body, parse_float=_number, parse_int=_number, parse_constant=_no_number)
    except _NotExact as error:
        return None, [f"{where}: the answer has {error}, which is not a quantity"]
    except (ValueError, RecursionError):
        return None, [f"{where}: the answer is {_looks_like(body)}, not JSON"]
    meters = data.get("meters") if isinstance(data, dict) else None
    if not isinstance(meters, list):
        return None, [f"{where}: the answer is JSON, but not a usage report: it has no list of meters"]
    if len(meters) > MOST_METERS:
        return None, [f"{where}: the answer names {len(meters)} meters; more than {MOST_METERS} are not believed"]
    found, unreadable, problems = _read_meters(meters, where)
    return Usage(_reporter(data), found, unreadable), problems


def _looks_like(body: str) -> str:
    start = body.lstrip()[:1]
    if start == "<":
        return "HTML or XML"
    return "cut off or broken" if start in ("{", "[") else "something else"


def _number(text: str) -> Decimal:
    if len(text) > _MOST_DIGITS:
        raise _NotExact(f"a number of {len(text)} characters")
    return Decimal(text)


def _no_number(text: str) -> t.NoReturn:
    raise _NotExact(text)


def _reporter(data: t.Mapping[str, t.Any]) -> str | None:
    for key in ("serviceName", "apiType"):
        value = data.get(key)
        if isinstance(value, str) and value and len(value) <= _MOST_NAME:
            return value
    return None


def _read_meters(meters: list[t.Any], where: str) -> tuple[dict[str, Amount], frozenset[str], list[str]]:
    found: dict[str, Amount] = {}
    unreadable: set[str] = set()
    problems: list[str] = []
    for meter in meters:
        name = meter.get("name") if isinstance(meter, dict) else None
        if not isinstance(name, str) or not name or len(name) > _MOST_NAME:
            problems.append(f"{where}: a meter has no usable name")
            continue
        quantity = meter.get("quantity")
        problem = _problem_with(quantity)
        if problem:
            unreadable.add(name)
            problems.append(f"{where}: {name} has {problem}")
            continue
        billed = meter.get("billedUnit")
        if billed is not None and _problem_with(billed):
            problems.append(f"{where}: {name} has a billedUnit with {_problem_with(billed)}; its quantity is counted")
            billed = None
        found[name] = add(found.get(name), Amount(t.cast(Decimal, quantity), billed))
    for name in unreadable:
        # Half of a sum is no sum.
        found.pop(name, None)
    return found, frozenset(unreadable), problems


def _problem_with(value: t.Any) -> str | None:
    """Why C(value) is not a quantity, or None."""
    if not isinstance(value, Decimal):
        return "a quantity that is not a number"
    if value < 0:
        return f"the negative quantity {plain(value)}"
    if value >= MOST_QUANTITY:
        return f"the quantity {value:.3g}, which is too large to be true"
    if value.as_tuple().exponent < -_MOST_DIGITS:  # type: ignore[operator]
        return "a quantity with too many decimals"
    return None


def add(one: Amount | None, other: Amount) -> Amount:
    """The exact sum; what is billed is known only where it is known of both."""
    if one is None:
        return other
    with localcontext(EXACT):
        billed = None if one.billed is None or other.billed is None else one.billed + other.billed
        return Amount(one.quantity + other.quantity, billed)


def subtract(one: Amount, other: Amount) -> Amount:
    """The exact difference."""
    with localcontext(EXACT):
        billed = None if one.billed is None or other.billed is None else max(one.billed - other.billed, Decimal(0))
        return Amount(one.quantity - other.quantity, billed)


def plain(value: Decimal) -> str:
    """All digits of C(value), none of them superfluous."""
    try:
        text = format(value, "f")
    except InvalidOperation:  # pragma: no cover - NaN never gets here
        return str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text
