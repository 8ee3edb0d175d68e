# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Sizes as Docker writes them (C(8g), C(512m)), and sizes and counts as people read them."""

from __future__ import annotations

import re

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError

_FACTORS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?$")


def parse_size(text: object, where: str) -> int:
    """Bytes of C(text), a number of bytes or a number with a unit (b, k, m, g, t; powers of 1024)."""
    match = None if isinstance(text, bool) else _SIZE.match(str(text).strip().lower())
    size = int(float(match.group(1)) * _FACTORS[match.group(2)]) if match else 0
    if size <= 0:
        raise CognitiveError(f"{where}: {text!r} is not a size; write a number with a unit, for example 512m or 8g.")
    return size


def format_size(size: int) -> str:
    """C(size) bytes for a reader: three significant digits and a binary unit."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if value >= 100 or unit == "B" else f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} TiB"
