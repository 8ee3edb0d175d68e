# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Tables for a terminal."""

from __future__ import annotations

import textwrap
import typing as t


def render_table(
    title: str, columns: t.Sequence[str], rows: t.Sequence[t.Mapping[str, t.Any]], notes: t.Sequence[str] = (), width: int = 160
) -> str:
    """C(title), one line per row below a head, then C(notes); the empty string when there is no row and no note.

    The last column wraps where a line would be longer than C(width); the others are as wide as their longest cell.
    """
    if not rows and not notes:
        return ""
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max([len(column)] + [len(line[at]) for line in cells]) for at, column in enumerate(columns)]
    indent = sum(widths[:-1]) + 2 * (len(columns) - 1)
    lines = [title, ""]
    if rows:
        head = "  ".join(column.replace("_", " ").ljust(widths[at]) for at, column in enumerate(columns))
        lines += [head.rstrip(), "  ".join("-" * size for size in [*widths[:-1], min(widths[-1], max(width - indent, 20))])]
    for line in cells:
        lead = "  ".join(cell.ljust(widths[at]) for at, cell in enumerate(line[:-1]))
        last = textwrap.wrap(line[-1], max(width - indent, 20)) or [""]
        lines.append(f"{lead}  {last[0]}".rstrip() if len(columns) > 1 else last[0])
        lines += [" " * indent + more for more in last[1:]]
    if notes:
        lines += ([""] if rows else []) + [f"- {note}" for note in notes]
    return "\n".join(lines) + "\n"


def _cell(value: t.Any) -> str:
    """One value for a reader: nothing for None, yes and no for booleans, one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(str(value).split())
