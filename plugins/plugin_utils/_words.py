# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Numbers, months and times as people read them, and text of unknown origin made harmless."""

from __future__ import annotations

import datetime
import re
import unicodedata
from decimal import Decimal

from ansible_collections.airgap.cognitive.plugins.plugin_utils._counters import UNDATED
from ansible_collections.airgap.cognitive.plugins.plugin_utils._readings import plain

_TIME = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):\d{2}Z")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def clean(text: str) -> str:
    """C(text) without what would move a cursor, turn the writing direction or hide: names come from anywhere."""
    return "".join("\ufffd" if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") else character for character in text)


def readable_times(text: str) -> str:
    """C(text) with its machine times as people write them."""
    return _TIME.sub(lambda found: f"{int(found[3])} {_MONTHS[int(found[2]) - 1]} {found[1]} {found[4]}:{found[5]} UTC", text)


def readable_month(month: str) -> str:
    """C(2026-11) as C(Nov 2026)."""
    if month == UNDATED:
        return "no month"
    return f"{_MONTHS[int(month[5:7]) - 1]} {month[:4]}"


def readable_date(date: str) -> str:
    """C(2027-03-31) as C(31 Mar 2027)."""
    found = datetime.date.fromisoformat(date)
    return f"{found.day} {_MONTHS[found.month - 1]} {found.year}"


def grouped(value: Decimal) -> str:
    """C(value) with all its digits, in groups of three."""
    whole, point, rest = plain(value).partition(".")
    return f"{int(whole):,}{point}{rest}"


def short(value: Decimal) -> str:
    """C(value) in the room that a bar of a chart leaves: three significant digits."""
    for size, unit in ((Decimal(10) ** 12, "T"), (Decimal(10) ** 9, "bn"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 4, "k")):
        if value >= size:
            scaled = value / (1000 if unit == "k" else size)
            return f"{scaled:.0f}{unit}" if scaled >= 100 else f"{plain(scaled.quantize(Decimal('0.1')))}{unit}"
    return f"{value:,.0f}" if value == value.to_integral_value() or value >= 100 else plain(value.quantize(Decimal("0.01")))
