# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rollup against the simulator's own reports, at every position of the switches that a report has."""

from __future__ import annotations

import itertools
import sys
import typing as t
from decimal import Decimal
from pathlib import Path

import pytest

from ansible_collections.airgap.cognitive.plugins.plugin_utils._rollup import roll_up
from ansible_collections.airgap.cognitive.tests.unit.plugins.plugin_utils.usage_fleet import Directory, Host, Service

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "simulator" / "src"))

from simulator.profiles import PROFILES  # noqa: E402
from simulator.switches import SWITCHES, Switches  # noqa: E402
from simulator.usage import Record, UsageStore, dump_report  # noqa: E402

REPORT = [name for name in SWITCHES if name.startswith("SIM_REPORT_")] + ["SIM_EMPTY_MONTH"]
EVERY = list(itertools.product(*[SWITCHES[name].positions for name in REPORT]))


class SimulatedHost(Host):
    """A host whose answers are the simulator's, from records on disk."""

    def __init__(self, root: Path, switches: Switches) -> None:
        super().__init__()
        self.root, self.switches = root, switches

    def store(self, service: Service) -> UsageStore:
        root = self.root / service.directory.path.strip("/")
        return UsageStore(root, PROFILES[service.family], f"{service.name}-{service.container}", self.switches)

    def use(self, service: Service, meter: str, quantity: Decimal | int) -> None:
        super().use(service, meter, quantity)
        store = self.store(service)
        store.prepare()
        store.add(Record(meter, Decimal(quantity), self.month))

    def answer(self, service: Service, month: str | None) -> dict[str, t.Any]:
        answer = super().answer(service, month)
        report = self.store(service).report(month or "")
        answer.update({"status": 404, "body": ""} if report is None else {"body": dump_report(report)})
        return answer


@pytest.mark.parametrize("positions", EVERY, ids="-".join)
def test_the_truth_at_every_position(tmp_path, positions):
    host = SimulatedHost(tmp_path, Switches(dict(zip(REPORT, positions))))
    shared = Directory("/out/shared")
    services = [
        host.add("sentiment-1", "sentiment", directory=shared),
        host.add("sentiment-2", "sentiment", directory=shared),
        host.add("keyphrase-1", "keyphrase", directory=shared),
        host.add("speech-1", "speech-to-text"),
    ]
    for round_number, service in enumerate(services * 3, 1):
        host.use(service, PROFILES[service.family].meter, Decimal(round_number) / (1000 if service.family == "speech-to-text" else 1))
        host.gather()
        service.container += 1
        host.now += 9 * 86400
    host.gather()
    results = roll_up([(host.name, host.entries, [])], host.expected)
    sums: dict[str, Decimal] = {}
    months: dict[tuple[str, str], Decimal] = {}
    for row in results["usage"]:
        sums[row["meter"]] = sums.get(row["meter"], Decimal(0)) + row["quantity"]
        months[row["meter"], row["month"]] = months.get((row["meter"], row["month"]), Decimal(0)) + row["quantity"]
    assert sums == dict(host.truth)
    assert months == dict(host.by_month)
    assert {finding["kind"] for finding in results["findings"]} == {"shared-directory"}
