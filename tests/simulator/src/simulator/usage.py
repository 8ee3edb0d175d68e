# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Usage records below the output mount, and the reports over them."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import threading
import typing as t
import uuid
from decimal import Decimal
from pathlib import Path

from simulator.profiles import Profile
from simulator.switches import Switches


@dataclasses.dataclass(frozen=True)
class Record:
    meter: str
    quantity: Decimal
    month: str
    """C(YYYY-MM)"""

    def to_json(self) -> dict[str, str]:
        return {"meter": self.meter, "quantity": str(self.quantity), "month": self.month, "time": datetime.datetime.now(datetime.UTC).isoformat()}

    @classmethod
    def from_json(cls, data: t.Mapping[str, t.Any]) -> Record:
        return cls(str(data["meter"]), Decimal(str(data["quantity"])), str(data["month"]))


class UsageStore:
    """The records of one output mount; this instance writes below C(<service>/<hostname>) only."""

    def __init__(self, root: Path, profile: Profile, hostname: str, switches: Switches) -> None:
        self.root = root
        self.directory = root / profile.service / hostname
        self._profile = profile
        self._switches = switches
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Raises OSError when the mount cannot be written."""
        self.directory.mkdir(parents=True, exist_ok=True)
        probe = self.directory / f".probe-{uuid.uuid4().hex}"
        probe.touch()
        probe.unlink()

    def add(self, record: Record) -> None:
        """Lasting when this returns, whatever happens to the container then."""
        with self._lock:
            {"jsonl": self._append, "files": self._create, "snapshot": self._rewrite}[self._switches["SIM_USAGE_FORMAT"]](record)

    def _append(self, record: Record) -> None:
        path = self.directory / f"usage-{record.month}.jsonl"
        # A line that a crash tore is closed first, so that it costs itself alone.
        line = ("\n" if _torn(path) else "") + json.dumps(record.to_json()) + "\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            _write_all(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def _create(self, record: Record) -> None:
        self._replace(self.directory / "records" / record.month / f"{uuid.uuid4().hex}.json", record.to_json())

    def _rewrite(self, record: Record) -> None:
        path = self.directory / "usage.snapshot"
        totals = json.loads(path.read_text()) if path.exists() else {}
        month = totals.setdefault(record.month, {})
        month[record.meter] = str(Decimal(month.get(record.meter, "0")) + record.quantity)
        self._replace(path, totals)

    def _replace(self, path: Path, content: t.Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            _write_all(descriptor, json.dumps(content).encode())
        finally:
            os.close(descriptor)
        beside.rename(path)

    def instances(self) -> list[Path]:
        """The instance directories that a report covers."""
        pattern = "*/*" if self._switches["SIM_REPORT_SCOPE"] == "mount" else f"{self._profile.service}/*"
        return sorted(path for path in self.root.glob(pattern) if path.is_dir())

    def report(self, month: str = "") -> dict[str, t.Any] | None:
        """The answer of the records endpoint: of all time, or of one month. None stands for an answer of 404."""
        totals: list[tuple[str, Decimal]] = []
        for directory in self.instances():
            sums: dict[str, Decimal] = {}
            for record in read_records(directory):
                if month in ("", record.month):
                    sums[record.meter] = sums.get(record.meter, Decimal(0)) + record.quantity
            totals.extend(sorted(sums.items()))
        if self._switches["SIM_REPORT_METERS"] == "summed":
            merged: dict[str, Decimal] = {}
            for meter, quantity in totals:
                merged[meter] = merged.get(meter, Decimal(0)) + quantity
            totals = sorted(merged.items())
        empty = self._switches["SIM_EMPTY_MONTH"]
        if not totals and empty == "zero":
            totals = [(self._profile.meter, Decimal(0))]
        if not totals and empty == "not-found" and month:
            return None
        return self._answer(totals)

    def _answer(self, totals: list[tuple[str, Decimal]]) -> dict[str, t.Any]:
        billed = self._switches["SIM_REPORT_SCHEMA"] == "billed"
        meters: list[dict[str, t.Any]] = []
        for name, quantity in totals:
            meter: dict[str, t.Any] = {"name": name, "quantity": self._number(quantity)}
            if billed:
                meter["billedUnit"] = self._number(quantity * Decimal(self._profile.billed_factor))
            meters.append(meter)
        names = {"apiType": self._profile.api_type, "serviceName": self._profile.service}
        return {"type": "CommerceUsageResponse", "meters": meters, **names} if billed else {**names, "meters": meters}

    def _number(self, quantity: Decimal) -> Number:
        return Number(quantity, self._switches["SIM_REPORT_NUMBERS"] == "double")


@dataclasses.dataclass(frozen=True)
class Number:
    """A quantity on its way into JSON, with every digit that it has."""

    value: Decimal
    double: bool

    def __str__(self) -> str:
        text = f"{self.value:f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return text + (".0" if self.double and "." not in text else "")


def dump_report(report: t.Mapping[str, t.Any]) -> str:
    """JSON text. The json module would round a decimal through a float."""
    numbers: list[str] = []

    def keep(value: t.Any) -> str:
        numbers.append(str(value))
        return f"\0{len(numbers) - 1}\0"

    text = json.dumps(report, default=keep)
    for index, number in enumerate(numbers):
        text = text.replace(f'"\\u0000{index}\\u0000"', number)
    return text


def read_records(directory: Path) -> t.Iterator[Record]:
    """Every record of an instance, in whichever format it was written; what a crash tore is passed over."""
    for path in sorted(directory.glob("usage-*.jsonl")):
        for line in path.read_text(errors="replace").splitlines():
            try:
                yield Record.from_json(json.loads(line))
            except (ValueError, KeyError, TypeError, ArithmeticError):
                continue
    for path in sorted(directory.glob("records/*/*.json")):
        yield Record.from_json(json.loads(path.read_text()))
    snapshot = directory / "usage.snapshot"
    if snapshot.exists():
        for month, meters in json.loads(snapshot.read_text()).items():
            for meter, quantity in meters.items():
                yield Record(meter, Decimal(quantity), month)


def _torn(path: Path) -> bool:
    if not path.exists() or not path.stat().st_size:
        return False
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read() != b"\n"


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
    os.fsync(descriptor)
