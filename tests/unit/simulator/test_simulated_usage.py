# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from positions import SwitchesAt
from simulator.profiles import PROFILES
from simulator.usage import Record, UsageStore, dump_report

SENTIMENT, KEYPHRASE = PROFILES["sentiment"], PROFILES["keyphrase"]
METER = SENTIMENT.meter


def store_at(root: Path, switches: SwitchesAt, profile: object = SENTIMENT, hostname: str = "h1", **positions: str) -> UsageStore:
    store = UsageStore(root, profile, hostname, switches(**positions))  # type: ignore[arg-type]
    store.prepare()
    return store


def quantities(store: UsageStore, month: str = "") -> dict[str, str]:
    report = store.report(month)
    assert report is not None
    return {meter["name"]: str(meter["quantity"]) for meter in report["meters"]}


@pytest.mark.parametrize("form", ["jsonl", "files", "snapshot"])
def test_sum_and_months(tmp_path: Path, switches: SwitchesAt, form: str) -> None:
    store = store_at(tmp_path, switches, USAGE_FORMAT=form)
    for quantity, month in (("1", "2026-10"), ("0.1", "2026-11"), ("0.2", "2026-11")):
        store.add(Record("m", Decimal(quantity), month))
    assert quantities(store) == {"m": "1.3"}
    assert quantities(store, "2026-10") == {"m": "1"}
    assert quantities(store, "2026-11") == {"m": "0.3"}
    assert quantities(store, "2025-11") == {}


def test_records_of_all_formats_in_one_mount_are_read(tmp_path: Path, switches: SwitchesAt) -> None:
    for form in ("jsonl", "files", "snapshot"):
        store_at(tmp_path, switches, USAGE_FORMAT=form).add(Record("m", Decimal(1), "2026-11"))
    assert quantities(store_at(tmp_path, switches)) == {"m": "3"}


def test_usage_outlives_the_container(tmp_path: Path, switches: SwitchesAt) -> None:
    store_at(tmp_path, switches, hostname="h1").add(Record("m", Decimal(2), "2026-11"))
    again = store_at(tmp_path, switches, hostname="h2")
    again.add(Record("m", Decimal(3), "2026-11"))
    assert quantities(again) == {"m": "5"}
    assert sorted(path.name for path in (tmp_path / "sentimentonnx").iterdir()) == ["h1", "h2"]


@pytest.mark.parametrize(("scope", "expected"), [("mount", "5"), ("service", "2")])
def test_scope_of_the_report(tmp_path: Path, switches: SwitchesAt, scope: str, expected: str) -> None:
    store = store_at(tmp_path, switches, REPORT_SCOPE=scope)
    store.add(Record(METER, Decimal(2), "2026-11"))
    store_at(tmp_path, switches, KEYPHRASE).add(Record(METER, Decimal(3), "2026-11"))
    assert quantities(store) == {METER: expected}


def test_meters_may_come_once_for_each_instance(tmp_path: Path, switches: SwitchesAt) -> None:
    for host in ("h1", "h2"):
        store_at(tmp_path, switches, hostname=host).add(Record("m", Decimal(2), "2026-11"))
    report = store_at(tmp_path, switches, REPORT_METERS="per-instance").report()
    assert report is not None
    assert [(meter["name"], str(meter["quantity"])) for meter in report["meters"]] == [("m", "2"), ("m", "2")]


def test_torn_line_costs_itself_alone(tmp_path: Path, switches: SwitchesAt) -> None:
    store = store_at(tmp_path, switches)
    store.add(Record("m", Decimal(1), "2026-11"))
    (path,) = store.directory.glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b'{"meter": "m", "quan')
    assert quantities(store) == {"m": "1"}
    store.add(Record("m", Decimal(1), "2026-11"))
    assert quantities(store) == {"m": "2"}


def test_basic_schema(tmp_path: Path, switches: SwitchesAt) -> None:
    store = store_at(tmp_path, switches)
    store.add(Record(METER, Decimal(256345435), "2026-11"))
    report = store.report()
    assert report is not None
    assert json.loads(dump_report(report)) == {
        "apiType": "textanalytics",
        "serviceName": "sentimentonnx",
        "meters": [{"name": METER, "quantity": 256345435}],
    }


def test_billed_schema(tmp_path: Path, switches: SwitchesAt) -> None:
    store = store_at(tmp_path, switches, PROFILES["di-layout"], REPORT_SCHEMA="billed")
    store.add(Record("pages", Decimal(1250000), "2026-11"))
    report = store.report()
    assert report is not None
    assert json.loads(dump_report(report)) == {
        "type": "CommerceUsageResponse",
        "meters": [{"name": "pages", "quantity": 1250000, "billedUnit": 1875000}],
        "apiType": "formrecognizer",
        "serviceName": "layout",
    }


@pytest.mark.parametrize(
    ("quantity", "form", "expected"),
    [
        ("9007199254740993", "integer", "9007199254740993"),
        ("1234567890123456789012345678", "integer", "1234567890123456789012345678"),
        ("0.000278", "integer", "0.000278"),
        ("1E+3", "integer", "1000"),
        ("2.50", "integer", "2.5"),
        ("253", "double", "253.0"),
        ("0.5", "double", "0.5"),
    ],
)
def test_quantities_keep_every_digit(tmp_path: Path, switches: SwitchesAt, quantity: str, form: str, expected: str) -> None:
    store = store_at(tmp_path, switches, REPORT_NUMBERS=form)
    store.add(Record("m", Decimal(quantity), "2026-11"))
    report = store.report()
    assert report is not None
    assert f'"quantity": {expected}}}' in dump_report(report)


@pytest.mark.parametrize(("position", "expected"), [("empty", []), ("zero", [METER]), ("not-found", None)])
def test_empty_month(tmp_path: Path, switches: SwitchesAt, position: str, expected: list[str] | None) -> None:
    store = store_at(tmp_path, switches, EMPTY_MONTH=position)
    report = store.report("2026-11")
    assert (None if report is None else [meter["name"] for meter in report["meters"]]) == expected
    assert store.report() is not None
