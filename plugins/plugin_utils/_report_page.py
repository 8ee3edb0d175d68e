# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The page of the report: one file that needs nothing else, no network and no JavaScript."""

from __future__ import annotations

import os
import re
import typing as t
from decimal import Decimal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ansible_collections.airgap.cognitive.plugins.plugin_utils._chart import bars_by_month
from ansible_collections.airgap.cognitive.plugins.plugin_utils._counters import UNDATED
from ansible_collections.airgap.cognitive.plugins.plugin_utils._words import clean, grouped, readable_date, readable_month, readable_times, short

MOST_MONTHS = 12
# Beyond so many hosts a reader wants the largest first, and the whole table on demand.
FEW_HOSTS = 20
LARGEST = 10
# Columns that a screen has room for.
_MOST_COLUMNS = 6
# Beyond so many rows the table of details is the CSV file beside the page.
_MOST_DETAILS = 2000
_PREFIX = "CognitiveServices."
_BREAK = re.compile(r"(?<=[.+])|(?<=[a-z])(?=[A-Z])")

Rows = t.Sequence[t.Mapping[str, t.Any]]


def render_page(results: t.Mapping[str, t.Any]) -> str:
    """The page of C(results) of a rollup."""
    environment = Environment(
        loader=FileSystemLoader(os.path.dirname(__file__)), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        number=grouped,
        short=short,
        month=readable_month,
        date=readable_date,
        time=readable_times,
        breakable=breakable,
        clean=clean,
        without_prefix=_without_prefix,
    )
    months = _months(results["months"])
    return environment.get_template("_report.html.j2").render(
        results=results,
        verdict=_verdict(results),
        counts=_counts(results),
        period=_period(results["months"]),
        months=months,
        undated=UNDATED in results["months"],
        meters=_meters(results, months),
        host_tables=_host_tables(results),
        largest=LARGEST,
        many_hosts=len(results["hosts"]) > FEW_HOSTS,
        several_sites=len({host["site"] for host in results["hosts"]}) > 1,
        findings={level: [finding for finding in results["findings"] if finding["level"] == level] for level in ("gap", "anomaly", "notice")},
        details=results["usage"] if len(results["usage"]) <= _MOST_DETAILS else None,
        services=_services_of_hosts(results),
    )


def breakable(text: str) -> Markup:
    """A long name that may break after its dots and before its humps, and nowhere else if it can."""
    return Markup("<wbr>").join(escape(part) for part in _BREAK.split(clean(text)))


def _without_prefix(meter: str) -> str:
    return meter.removeprefix(_PREFIX)


def _months(known: t.Sequence[str]) -> list[str]:
    """The months from the first to the last that is known, the last of them if they are many."""
    dated = [month for month in known if month != UNDATED]
    if not dated:
        return []
    first, last = (int(month[:4]) * 12 + int(month[5:7]) - 1 for month in (dated[0], dated[-1]))
    return [f"{month // 12:04d}-{month % 12 + 1:02d}" for month in range(max(first, last - MOST_MONTHS + 1), last + 1)]


def _period(known: t.Sequence[str]) -> str:
    dated = [month for month in known if month != UNDATED]
    if not dated:
        return ""
    return readable_month(dated[0]) if len(dated) == 1 else f"{readable_month(dated[0])} to {readable_month(dated[-1])}"


def _counts(results: t.Mapping[str, t.Any]) -> dict[str, int]:
    services = [service for service in results["services"] if service["state"] != "retired"]
    hosts = {(service["site"], service["host"]) for service in services}
    incomplete = {(service["site"], service["host"]) for service in services if service["state"] != "counted"}
    levels = [finding["level"] for finding in results["findings"]]
    return {
        "hosts": len(hosts),
        "hosts_counted": len(hosts - incomplete),
        "services": len(services),
        "services_counted": sum(1 for service in services if service["state"] == "counted"),
        "retired": len(results["services"]) - len(services),
        "gaps": levels.count("gap"),
        "anomalies": levels.count("anomaly"),
        "notices": levels.count("notice"),
    }


def _verdict(results: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The first sentence: whether the numbers can be taken as they are."""
    counts = _counts(results)
    if not counts["services"]:
        return {"state": "bad", "text": "Nothing was gathered yet: there is no usage to report."}
    missing = counts["services"] - counts["services_counted"]
    if missing or counts["gaps"]:
        what = f"{missing} of {counts['services']} services" if missing else "Some usage"
        verb = "is" if missing == 1 or not missing else "are"
        return {"state": "bad", "text": f"{what} {verb} missing or out of date, so the totals are a lower bound."}
    if counts["anomalies"]:
        return {"state": "doubt", "text": f"All {counts['services']} services are counted, but some of the numbers are doubtful."}
    return {"state": "good", "text": f"All {counts['services']} services are counted, and nothing contradicts the numbers."}


def _meters(results: t.Mapping[str, t.Any], months: t.Sequence[str]) -> list[dict[str, t.Any]]:
    """Each family's meter: its quantities by month, their sum, and the picture."""
    cells = {(row["family"], row["meter"], row["month"]): row["quantity"] for row in results["totals"]}
    quotas = {(entry["family"], entry["meter"]): entry["monthly_quota"] for entry in results["commitments"]}
    meters = []
    for row in results["totals_by_meter"]:
        key = (row["family"], row["meter"])
        by_month = {month: cells.get((*key, month)) for month in [*months, UNDATED]}
        shown = sum((value for value in by_month.values() if value is not None), Decimal(0))
        label = f"{row['family']}, {clean(row['meter'])}, by month"
        meters.append(
            {
                "family": row["family"],
                "meter": row["meter"],
                "quantity": row["quantity"],
                "billed_unit": row["billed_unit"],
                "earlier": row["quantity"] - shown,
                "by_month": by_month,
                "chart": bars_by_month([(month, by_month[month]) for month in months], by_month[UNDATED], quotas.get(key), label),
            }
        )
    return meters


def _host_tables(results: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """Hosts by meters, cut into tables that a screen has room for; each column with the share of the largest host."""
    columns = [(row["family"], row["meter"]) for row in results["totals_by_meter"]]
    cells: dict[tuple[str, ...], Decimal] = {(row["site"], row["host"], row["family"], row["meter"]): row["quantity"] for row in results["totals_by_host"]}
    hosts = sorted({(service["site"], service["host"]) for service in results["services"]} | {(host["site"], host["host"]) for host in results["hosts"]})
    tables = []
    for start in range(0, len(columns), _MOST_COLUMNS):
        part = columns[start : start + _MOST_COLUMNS]
        highest = {column: max((cells.get((*host, *column), Decimal(0)) for host in hosts), default=Decimal(0)) for column in part}
        rows = [{"site": site, "host": host, "cells": [_bar(cells.get((site, host, *column)), highest[column]) for column in part]} for site, host in hosts]
        tables.append({"columns": part, "rows": rows, "largest": [_largest(results, column, cells, hosts) for column in part]})
    return tables


def _bar(value: Decimal | None, highest: Decimal) -> dict[str, t.Any]:
    return {"value": value, "width": f"{float(value / highest) * 100:.1f}" if value and highest else "0"}


def _largest(
    results: t.Mapping[str, t.Any], column: tuple[str, str], cells: t.Mapping[tuple[str, ...], Decimal], hosts: t.Sequence[tuple[str, str]]
) -> dict[str, t.Any]:
    used = sorted((-cells[(*host, *column)], host) for host in hosts if (*host, *column) in cells)
    whole = sum((-value for value, _host in used), Decimal(0))
    top = [{"site": host[0], "host": host[1], **_bar(-value, -used[0][0]), "share": f"{float(-value / whole) * 100:.1f}"} for value, host in used[:LARGEST]]
    return {
        "family": column[0],
        "meter": column[1],
        "top": top,
        "others": len(used) - len(top),
        "rest": whole - sum((entry["value"] for entry in top), Decimal(0)),
    }


def _services_of_hosts(results: t.Mapping[str, t.Any]) -> dict[tuple[str, str], list[t.Mapping[str, t.Any]]]:
    found: dict[tuple[str, str], list[t.Mapping[str, t.Any]]] = {}
    for service in results["services"]:
        found.setdefault((service["site"], service["host"]), []).append(service)
    return found
