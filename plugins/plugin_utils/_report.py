# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The report: C(usage.json), C(usage.csv) and C(usage.html) of one rollup, the same bytes for the same ledger."""

from __future__ import annotations

import csv
import io
import json
import os
import typing as t
from decimal import Decimal

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.plugin_utils._ledger import write_whole
from ansible_collections.airgap.cognitive.plugins.plugin_utils._readings import plain
from ansible_collections.airgap.cognitive.plugins.plugin_utils._report_page import render_page
from ansible_collections.airgap.cognitive.plugins.plugin_utils._words import clean

CSV_COLUMNS = ("site", "host", "service", "family", "meter", "month", "quantity", "billed_unit", "time", "record")
# A spreadsheet takes a cell that begins so for a formula, and names of meters come from anywhere.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def render_report(results: t.Mapping[str, t.Any]) -> dict[str, bytes]:
    """Every file of the report by its name."""
    return {
        "usage.json": (render_json(results) + "\n").encode("utf-8"),
        "usage.csv": render_csv(results).encode("utf-8"),
        "usage.html": render_page(results).encode("utf-8"),
    }


def render_json(value: t.Any, indent: str = "") -> str:
    """C(value) as JSON with exact numbers, which the standard library writes as binary fractions or not at all."""
    if isinstance(value, Decimal):
        return plain(value)
    if not isinstance(value, (dict, list, tuple)):
        return json.dumps(value, allow_nan=False)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    if not value:
        return opening + closing
    inner = indent + "  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {render_json(value[key], inner)}" for key in value]
    else:
        parts = [render_json(entry, inner) for entry in value]
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{indent}{closing}"


def render_csv(results: t.Mapping[str, t.Any]) -> str:
    """One row per host, service, meter and month."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for row in results["usage"]:
        writer.writerow([_cell(row[column]) for column in CSV_COLUMNS])
    return text.getvalue()


def _cell(value: t.Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return plain(value)
    # A tab or a line end at the start would still be looked behind.
    text = str(value)
    return ("'" if text.lstrip().startswith(_FORMULA) or text.startswith(_FORMULA) else "") + clean(text)


def why_write(directory: str, files: t.Mapping[str, bytes]) -> str | None:
    """Why the report in C(directory) is not the one that C(files) are, or None where it is."""
    for name, content in files.items():
        path = os.path.join(directory, name)
        try:
            with open(path, "rb") as handle:
                if handle.read() != content:
                    return f"{name} differs"
        except FileNotFoundError:
            return f"there is no {name} yet"
        except OSError as error:
            raise CognitiveError(f"{path} cannot be read: {error.strerror}.") from error
    return None


def write_report(directory: str, files: t.Mapping[str, bytes]) -> None:
    """Put C(files) into C(directory); the page last, which is what people open."""
    for name, content in files.items():
        write_whole(os.path.join(directory, name), content)
