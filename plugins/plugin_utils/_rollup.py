# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The rollup: ledger records in, results out, nothing else read and nothing kept.

Everything that was used is in C(usage) once. Everything that may be missing or is not what it should be
is in C(findings), in a sentence: C(gap) (a number is missing), C(anomaly) (a number may be wrong),
C(notice) (worth knowing).
"""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.cognitive.plugins.plugin_utils._commitments import compare_with_commitments
from ansible_collections.airgap.cognitive.plugins.plugin_utils._counters import Reading, Remark, Row, fold, group_readings
from ansible_collections.airgap.cognitive.plugins.plugin_utils._expected import compare_with_expected
from ansible_collections.airgap.cognitive.plugins.plugin_utils._ledger import Entry, Fault
from ansible_collections.airgap.cognitive.plugins.plugin_utils._mounts import Directories
from ansible_collections.airgap.cognitive.plugins.plugin_utils._readings import Amount, add, read_answer
from ansible_collections.airgap.cognitive.plugins.plugin_utils._states import Finding, HostKey, HostState, ServiceState
from ansible_collections.airgap.cognitive.plugins.plugin_utils._words import clean, readable_times

CLOCK_TOLERANCE = 60


def roll_up(
    hosts: t.Iterable[tuple[str, t.Sequence[Entry], t.Sequence[Fault]]],
    expected: t.Sequence[t.Mapping[str, t.Any]] = (),
    commitments: t.Sequence[t.Mapping[str, t.Any]] = (),
    title: str = "Usage of Azure AI containers",
) -> dict[str, t.Any]:
    """The results of all records, one host after the other; only results stay in memory."""
    states: dict[HostKey, HostState] = {}
    faults: list[Finding] = []
    for name, entries, broken in hosts:
        faults += [
            {"level": "anomaly", "kind": "ledger", "site": None, "host": name, "service": None, "text": f"{fault.text}.", "evidence": {}} for fault in broken
        ]
        for key in sorted({(entry.record["site"], entry.record["host"]) for entry in entries}):
            own = [entry for entry in entries if (entry.record["site"], entry.record["host"]) == key]
            states[key] = roll_up_host(own)
    as_of = max((state.last for state in states.values()), default=None)
    findings = faults + [finding for state in states.values() for finding in state.findings]
    services, gaps = compare_with_expected(states, expected, as_of)
    findings += gaps
    for finding in findings:
        finding["text"] = clean(readable_times(finding["text"]))
    usage = sorted(
        (row for state in states.values() for row in state.rows),
        key=lambda row: (row["site"], row["host"], row["service"], row["family"], row["meter"], row["month"], row["path"]),
    )
    return {
        "kind": "airgap.cognitive.report",
        "schema": 1,
        "title": title,
        "as_of": as_of,
        "months": sorted({row["month"] for row in usage}),
        "totals": totals_by(usage, ("month", "family", "meter")),
        "totals_by_meter": totals_by(usage, ("family", "meter")),
        "totals_by_host": totals_by(usage, ("site", "host", "family", "meter")),
        "commitments": compare_with_commitments(usage, commitments, as_of),
        "hosts": [_host_result(states[key]) for key in sorted(states)],
        "services": services,
        "usage": usage,
        "findings": sorted(findings, key=_finding_order),
    }


def _finding_order(finding: Finding) -> tuple[t.Any, ...]:
    levels = {"gap": 0, "anomaly": 1, "notice": 2}
    return (levels[finding["level"]], *(str(finding[key] or "") for key in ("site", "host", "service", "kind", "text")))


def roll_up_host(entries: t.Sequence[Entry]) -> HostState:
    """One host from its records, oldest first."""
    first = entries[0].record
    state = HostState(first["site"], first["host"], len(entries), first["time"])
    directories = Directories(state.host)
    known = {entry.digest for entry in entries}
    for number, entry in enumerate(entries):
        _take_record(state, directories, number, entry)
        previous = entry.record.get("previous")
        if previous is not None and previous not in known:
            text = f"{state.host}: the record before that of {entry.record['time']} is missing from the ledger."
            state.find(Remark("anomaly", "record-missing", text, {"digest": previous}))
    for remark in directories.remarks:
        state.find(remark)
    for directory in directories.all:
        groups, remarks = group_readings(directory.readings, state.host)
        for group in groups:
            rows, more = fold(group, state.host)
            remarks += more
            state.rows += [_usage_row(state, group.services, directory.path, row) for row in rows if row.amount.quantity]
        for remark in remarks:
            state.find(remark)
    return state


def _take_record(state: HostState, directories: Directories, number: int, entry: Entry) -> None:
    record = entry.record
    state.last, state.reachable, state.source = record["time"], bool(record["reachable"]), entry.digest
    if not state.reachable:
        state.problem = str(record.get("problem") or "no reason is known")
        return
    state.reached, state.problem = record["time"], (record.get("engine") or {}).get("problem")
    readings: dict[str | None, list[Reading]] = {}
    for service in record["services"]:
        new = _read_service(state, number, entry, service)
        if service.get("mount") is None:
            directories.take_without_mount(str(service.get("output_dir")), record["time"], new)
        readings.setdefault(service.get("mount"), []).extend(new)
    directories.take(record, {mount: sorted(new, key=lambda reading: reading.order) for mount, new in readings.items() if mount is not None})
    state.findings = [finding for finding in state.findings if finding["kind"] not in ("clock", "skipped")]
    _remark_on_record(state, record)


def _remark_on_record(state: HostState, record: t.Mapping[str, t.Any]) -> None:
    """What is worth knowing of the last record of a host."""
    ahead = (record.get("clock") or {}).get("ahead") or 0
    if abs(ahead) > CLOCK_TOLERANCE:
        text = (
            f"{state.host}: its clock is {_duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} the controller's; "
            "usage may be filed under the wrong month."
        )
        state.find(Remark("anomaly", "clock", text, {"seconds_ahead": ahead}))
    for mount in record["mounts"]:
        skipped = (mount.get("logs") or {}).get("skipped") or []
        if skipped:
            examples = ", ".join(f"{entry['path'][:80]} ({entry['reason']})" for entry in skipped[:3])
            text = (
                f"{state.host}: {len(skipped)} {'entry' if len(skipped) == 1 else 'entries'} below {mount['path']} did not come along as raw logs: {examples}."
            )
            state.find(Remark("notice", "skipped", text, {"path": mount["path"]}))


def _read_service(state: HostState, number: int, entry: Entry, service: t.Mapping[str, t.Any]) -> list[Reading]:
    """The good answers of one service in one record; the state of the service after it."""
    time, name = entry.record["time"], service["name"]
    known = state.services.setdefault(name, ServiceState(name, service["family"], time))
    known.family, known.last_seen, known.problems, known.blind = service["family"], time, [], True
    container = service.get("container")
    known.container = "there is no container of this name" if container is None else f"its container is {container.get('state')}"
    if (entry.record.get("engine") or {}).get("problem"):
        known.container = "the engine does not answer"
    good: list[tuple[t.Mapping[str, t.Any], t.Any]] = []
    for answer in service["answers"]:
        usage, problems = read_answer(answer)
        # Not to have a month is no fault: the total has it.
        if not (usage is None and answer.get("month") and answer.get("status") == 404 and not answer.get("error")):
            known.problems += [problem for problem in problems if problem not in known.problems]
        if usage is not None:
            good.append((answer, usage))
    if not service["answers"]:
        known.problems.append("it was not asked")
    # A report without a name is told by whoever was asked.
    reporter = next((usage.reporter for _answer, usage in good if usage.reporter), None) or name
    if good:
        known.last_good, known.source = time, entry.digest
    known.blind = not any(answer.get("month") is None for answer, _usage in good)
    # A total that is followed by months was asked before them.
    answers = service["answers"]
    first = {answer["number"] for answer, following in zip(answers, [*answers[1:], {}]) if following.get("month")}
    return [
        Reading((number, answer["number"]), time, entry.digest, name, reporter, answer.get("month"), answer["number"] in first, usage) for answer, usage in good
    ]


def _usage_row(state: HostState, services: list[str], path: str, row: Row) -> dict[str, t.Any]:
    return {
        "site": state.site,
        "host": state.host,
        "service": "+".join(services),
        "family": "+".join(sorted({state.services[name].family for name in services})),
        "reported_as": row.reading.reporter,
        "meter": row.meter,
        "month": row.month,
        "quantity": row.amount.quantity,
        "billed_unit": row.amount.billed,
        "path": path,
        "time": row.reading.time,
        "record": row.reading.source,
    }


def _host_result(state: HostState) -> dict[str, t.Any]:
    return {
        "site": state.site,
        "host": state.host,
        "gathers": state.gathers,
        "first_gather": state.first,
        "last_gather": state.last,
        "last_reached": state.reached,
        "reachable": state.reachable,
        "record": state.source,
    }


def totals_by(usage: t.Sequence[t.Mapping[str, t.Any]], keys: t.Sequence[str]) -> list[dict[str, t.Any]]:
    """The rows of C(usage) added up by C(keys), sorted by them."""
    sums: dict[tuple[str, ...], Amount] = {}
    for row in usage:
        key = tuple(row[name] for name in keys)
        sums[key] = add(sums.get(key), Amount(row["quantity"], row["billed_unit"]))
    return [{**dict(zip(keys, key)), "quantity": sums[key].quantity, "billed_unit": sums[key].billed} for key in sorted(sums)]


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
