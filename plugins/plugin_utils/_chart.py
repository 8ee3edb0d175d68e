# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Bars as SVG, drawn here: no script, no font and no network is needed to see them, and printers know them too."""

from __future__ import annotations

import typing as t
from decimal import Decimal

from markupsafe import Markup, escape

from ansible_collections.airgap.cognitive.plugins.plugin_utils._words import grouped, readable_month, short

WIDTH, HEIGHT = 340, 176
_LEFT, _RIGHT, _TOP, _BOTTOM = 4, 4, 32, 30
_WIDEST = 46
_MOST_VALUES = 7
_STEPS = (1, 2, 5, 10)


def bars_by_month(months: t.Sequence[tuple[str, Decimal | None]], undated: Decimal | None, quota: Decimal | None, label: str) -> Markup:
    """A bar for each month, one for what has no month, and the quota as a line."""
    bars = [(readable_month(month)[:3], readable_month(month), value, "bar") for month, value in months]
    if undated:
        bars.insert(0, ("no month", "no month", undated, "bar undated"))
    highest = max((value for *_names, value, _kind in bars if value), default=Decimal(1))
    top = _round_up(max(highest, quota or highest))
    slot = (WIDTH - _LEFT - _RIGHT) / max(len(bars), 3)
    width = min(slot * 0.72, _WIDEST)
    parts = [f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">']
    for share in (1.0, 0.5):
        y = _y(share)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
    # Where numbers would run into each other, the highest and the last are the ones that are looked for.
    told = {at for at, (*_names, value, _kind) in enumerate(bars) if len(bars) <= _MOST_VALUES or value == highest or at == len(bars) - 1}
    for at, (name, full, value, kind) in enumerate(bars):
        middle = _LEFT + slot * (at + 0.5)
        if value:
            y = _y(float(value / top))
            parts.append(
                f'<g><title>{escape(full)}: {grouped(value)}</title><rect class="{kind}" x="{middle - width / 2:.1f}" y="{y}" '
                f'width="{width:.1f}" height="{HEIGHT - _BOTTOM - float(y):.1f}" rx="2"/></g>'
            )
            if at in told:
                parts.append(f'<text class="value" x="{middle:.1f}" y="{float(y) - 5:.1f}">{short(value)}</text>')
        parts.append(f'<text class="tick" x="{middle:.1f}" y="{HEIGHT - _BOTTOM + 14}">{escape(name)}</text>')
        year = full[-4:]
        if name != full and (year != (bars[at - 1][1][-4:] if at else "")):
            parts.append(f'<text class="tick year" x="{middle:.1f}" y="{HEIGHT - _BOTTOM + 27}">{year}</text>')
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{HEIGHT - _BOTTOM}" y2="{HEIGHT - _BOTTOM}"/>')
    if quota:
        y = _y(float(quota / top))
        parts.append(f'<line class="quota" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        # Above everything: at its line it would lie on a bar.
        parts.append(f'<text class="quota-label" x="{WIDTH - _RIGHT}" y="9">- - quota {short(quota)} a month</text>')
    parts.append("</svg>")
    return Markup("".join(parts))


def _y(share: float) -> str:
    return f"{HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM):.1f}"


def _round_up(value: Decimal) -> Decimal:
    """The next number that begins with 1, 2 or 5."""
    power = Decimal(1).scaleb(value.adjusted())
    return next(step * power for step in _STEPS if step * power >= value)
