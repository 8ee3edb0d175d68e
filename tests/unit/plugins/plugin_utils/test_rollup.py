# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t
from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.cognitive.plugins.plugin_utils._report import render_report
from ansible_collections.airgap.cognitive.plugins.plugin_utils._rollup import roll_up
from ansible_collections.airgap.cognitive.tests.unit.plugins.plugin_utils.usage_fleet import BROKEN, Directory, Host

DAY = 86400
# The same cases every time; other ones, and so many times as many, with this in the environment.
MORE = int(os.environ.get("AIRGAP_MORE_CASES", "0"))


def cases(number: int) -> settings:
    return settings(max_examples=number * (MORE or 1), derandomize=not MORE, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def rolled(*hosts: Host, **more: t.Any) -> dict[str, t.Any]:
    more.setdefault("expected", [service for host in hosts for service in host.expected])
    return roll_up([(host.name, host.entries, []) for host in hosts], **more)


def by_meter(results: dict[str, t.Any]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in results["usage"]:
        sums[row["meter"]] += row["quantity"]
    return dict(sums)


def kinds(results: dict[str, t.Any], level: str | None = None) -> list[str]:
    return sorted({finding["kind"] for finding in results["findings"] if level in (None, finding["level"])})


def texts(results: dict[str, t.Any]) -> str:
    return "\n".join(finding["text"] for finding in results["findings"])


def true(host: Host) -> dict[str, Decimal]:
    return {meter: quantity for meter, quantity in host.truth.items() if quantity}


def test_repeated_gathers_count_once_and_by_month():
    host = Host()
    service = host.add("sentiment-en")
    for quantity in (10, 5, 7):
        host.use(service, "Text.Records", quantity)
        host.gather()
        host.gather()
        host.now += 31 * DAY
    results = rolled(host)
    assert [(row["month"], row["quantity"]) for row in results["usage"]] == [("2026-01", 10), ("2026-02", 5), ("2026-03", 7)]
    assert results["findings"] == []
    assert results["services"][0]["state"] == "counted"


def test_a_container_made_anew_goes_on_counting():
    host = Host()
    service = host.add("sentiment-en")
    host.use(service, "Text.Records", 10)
    host.gather()
    service.container += 1
    host.use(service, "Text.Records", 4)
    host.gather()
    results = rolled(host)
    assert by_meter(results) == {"Text.Records": 14}
    assert results["findings"] == []


def test_months_that_no_gather_asked_for_are_undated_and_not_lost():
    host = Host()
    service = host.add("sentiment-en")
    host.use(service, "Text.Records", 10)
    host.now += 200 * DAY
    host.use(service, "Text.Records", 3)
    host.gather()
    assert [(row["month"], row["quantity"]) for row in rolled(host)["usage"]] == [("2026-08", 3), ("undated", 10)]


def test_a_service_without_months_is_counted_by_its_total():
    host = Host()
    service = host.add("sentiment-en", months="absent")
    host.use(service, "Text.Records", 10)
    host.gather()
    results = rolled(host)
    assert [(row["month"], row["quantity"]) for row in results["usage"]] == [("undated", 10)]
    assert results["findings"] == []


def test_a_service_that_answers_every_month_with_the_total_is_not_counted_three_times():
    host = Host()
    service = host.add("sentiment-en", months="total")
    host.use(service, "Text.Records", 10)
    host.gather()
    results = rolled(host)
    assert by_meter(results) == {"Text.Records": 10}
    assert kinds(results) == ["months-are-total"]


@pytest.mark.parametrize("scope", ["mount", "service"])
@pytest.mark.parametrize("meters", [("A", "B"), ("Same", "Same")])
def test_two_families_on_one_directory_keep_the_truth_in_both_scopes(scope, meters):
    host = Host()
    shared = Directory("/srv/out", scope)
    one, other = host.add("key", "keyphrase", directory=shared), host.add("sen", "sentiment", directory=shared)
    host.use(one, meters[0], 10)
    host.use(other, meters[1], 4)
    host.gather()
    host.use(one, meters[0], 1)
    host.gather()
    results = rolled(host)
    assert by_meter(results) == true(host)
    assert kinds(results) == ["shared-directory"]
    assert {row["family"] for row in results["usage"]} == ({"keyphrase+sentiment"} if scope == "mount" else {"keyphrase", "sentiment"})


def test_replicas_of_one_service_on_one_directory_are_one_counter():
    host = Host()
    shared = Directory("/srv/out", "service")
    one, other = host.add("sen-1", directory=shared), host.add("sen-2", directory=shared)
    host.use(one, "A", 10)
    host.use(other, "A", 10)
    host.gather()
    results = rolled(host)
    assert by_meter(results) == {"A": 20}
    assert results["usage"][0]["service"] == "sen-1+sen-2"


def test_equal_numbers_that_may_be_one_counter_or_two_are_named():
    host = Host()
    shared = Directory("/srv/out", "service")
    for name, family in (("key", "keyphrase"), ("sen", "sentiment")):
        host.use(host.add(name, family, directory=shared), "Same", 10)
    host.gather()
    results = rolled(host)
    assert by_meter(results) == {"Same": 10}
    assert "key and sen have the same output directory on edge1 and report the same numbers" in texts(results)


@pytest.mark.parametrize("same_inode", [True, False])
def test_a_directory_that_began_anew_adds_to_what_was(same_inode):
    host = Host()
    service = host.add("sentiment-en")
    host.use(service, "A", 10)
    host.gather()
    host.replace(service.directory, same_inode)
    host.use(service, "A", 4)
    host.gather()
    results = rolled(host)
    assert by_meter(results) == {"A": 14}
    assert kinds(results, "anomaly") == ["directory-replaced"]


def test_a_new_directory_that_outgrew_the_old_one_before_it_was_gathered_adds_too():
    host = Host()
    service = host.add("sentiment-en")
    host.use(service, "A", 10)
    host.gather()
    host.replace(service.directory)
    host.use(service, "A", 14)
    host.gather()
    results = rolled(host)
    assert by_meter(results) == {"A": 24}
    assert kinds(results, "anomaly") == ["directory-replaced"]


def test_a_directory_that_was_emptied_and_outgrew_itself_is_doubtful_once():
    host = Host()
    service = host.add("sentiment-en")
    for _time in range(3):
        host.use(service, "A", 10 + len(host.entries))
        host.gather()
        host.replace(service.directory, same_inode=True)
    results = rolled(host)
    assert kinds(results, "anomaly") == ["files-gone"]
    assert texts(results).count("no raw file of 15 Jan 2026 00:00 UTC is left") == 1


def test_a_directory_that_was_moved_with_its_records_is_the_same_one():
    host = Host()
    service = host.add("sentiment-en")
    host.use(service, "A", 10)
    host.gather()
    service.directory.path = "/mnt/big/output"
    host.use(service, "A", 1)
    host.gather()
    results = rolled(host)
    assert by_meter(results) == {"A": 11}
    assert results["findings"] == []


def test_a_directory_that_was_copied_is_counted_once_and_named():
    host = Host()
    service = host.add("sentiment-en")
    host.use(service, "A", 10)
    host.gather()
    service.directory.inode, service.directory.born = 999, "2026-02-02 00:00:00"
    host.gather()
    results = rolled(host)
    assert by_meter(results) == {"A": 10}
    assert kinds(results) == ["directory-copied"]


def test_a_number_that_went_down_is_an_anomaly_with_evidence_and_the_higher_one_stays():
    host = Host()
    service = host.add("sentiment-en")
    host.use(service, "A", 10)
    first = host.gather()
    service.directory.used["sentiment", "2026-01", "A"] -= 4
    host.now += 60
    second = host.gather()
    results = rolled(host)
    assert by_meter(results) == {"A": 10}
    found = next(finding for finding in results["findings"] if finding["kind"] == "went-down")
    assert "A went down from 10 to 6" in found["text"]
    assert (found["evidence"]["before"]["record"], found["evidence"]["after"]["record"]) == (first.digest, second.digest)


def test_a_service_that_takes_the_place_of_another_is_not_counted_twice():
    host = Host()
    shared = Directory("/srv/out", "mount")
    one = host.add("one", "keyphrase", directory=shared)
    host.use(one, "A", 10)
    host.gather()
    host.services.remove(one)
    other = host.add("two", "sentiment", directory=shared)
    host.use(other, "A", 2)
    host.gather()
    results = rolled(host)
    assert by_meter(results) == {"A": 12}
    assert {service["service"]: service["state"] for service in results["services"]} == {"one": "retired", "two": "counted"}


def test_a_host_that_is_down_is_missing_and_not_zero():
    up, down, never = Host("edge1"), Host("edge2"), Host("edge3")
    for host in (up, down, never):
        host.use(host.add("sentiment-en"), "A", 10)
    up.gather()
    down.gather()
    down.reachable = False
    down.now += 3600
    down.gather()
    results = rolled(up, down, expected=up.expected + down.expected + never.expected)
    assert by_meter(results) == {"A": 20}
    assert [finding["text"] for finding in results["findings"]] == [
        "edge2 could not be reached on 15 Jan 2026 01:00 UTC (No route to host); sentiment-en: what is counted is as of 15 Jan 2026 00:00 UTC.",
        "edge3 was never gathered; nothing of sentiment-en is counted.",
    ]


def test_a_service_that_is_down_is_missing_with_the_time_of_its_last_number():
    host = Host()
    service = host.add("sentiment-en")
    host.use(service, "A", 10)
    host.gather()
    service.up = False
    host.now += 60
    host.gather()
    results = rolled(host)
    assert by_meter(results) == {"A": 10}
    assert texts(results) == (
        "sentiment-en on edge1: its usage could not be read (/records/usage-logs/: Connection refused; its container is exited). "
        "It is counted as of 15 Jan 2026 00:00 UTC."
    )


def test_a_host_that_was_not_gathered_with_the_others_is_named():
    fresh, stale = Host("edge1"), Host("edge2")
    for host in (fresh, stale):
        host.use(host.add("sentiment-en"), "A", 1)
        host.gather()
    fresh.now += 3 * DAY
    fresh.gather()
    assert "edge2 was last gathered on 15 Jan 2026 00:00 UTC" in texts(rolled(fresh, stale))


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_answer_is_told_with_host_and_service_and_changes_no_number(how):
    host = Host()
    service = host.add("sentiment-en")
    host.use(service, "A", 10)
    host.gather()
    service.broken = how
    host.now += 60
    host.gather()
    results = rolled(host)
    assert by_meter(results) == {"A": 10}
    assert "sentiment-en on edge1" in texts(results)
    assert kinds(results, "gap") == ["missing"] or kinds(results, "anomaly") == ["answer"] or "went-down" in kinds(results)
    assert render_report(results)


def test_a_clock_that_is_wrong_is_told():
    host = Host()
    host.add("sentiment-en")
    host.gather().record["clock"]["ahead"] = -365 * DAY
    assert "edge1: its clock is 365 days behind the controller's" in texts(rolled(host))


def test_a_record_that_is_missing_from_the_chain_is_told():
    host = Host()
    host.add("sentiment-en")
    for _gather in range(3):
        host.gather()
    del host.entries[1]
    assert kinds(rolled(host)) == ["record-missing"]


def test_one_host_name_at_two_sites_is_two_hosts():
    north, south = Host("edge1", "north"), Host("edge1", "south")
    for host in (north, south):
        host.use(host.add("sentiment-en"), "A", 10)
        host.gather()
    results = roll_up([("edge1", north.entries + south.entries, [])], north.expected + south.expected)
    assert by_meter(results) == {"A": 20}
    assert [(row["site"], row["quantity"]) for row in results["totals_by_host"]] == [("north", 10), ("south", 10)]


def test_numbers_are_exact():
    host = Host()
    service = host.add("speech", "speech-to-text")
    host.use(service, "Hours", Decimal("0.1"))
    host.use(service, "Hours", Decimal("0.2"))
    host.use(service, "Characters", 2**53 + 1)
    host.gather()
    assert by_meter(rolled(host)) == {"Hours": Decimal("0.3"), "Characters": Decimal(9007199254740993)}


def test_commitments_are_compared_with_the_month_of_the_report():
    host = Host()
    service = host.add("sentiment-en")
    host.use(service, "A", 90)
    host.gather()
    declared = [{"family": "sentiment", "meter": "A", "monthly_quota": 100, "ends": "2026-02-14"}]
    assert rolled(host, commitments=declared)["commitments"] == [
        {"family": "sentiment", "meter": "A", "monthly_quota": 100, "ends": "2026-02-14", "month": "2026-01", "used": 90,
         "share": Decimal("0.9"), "state": "near", "days_left": 30}
    ]  # fmt: skip


# What may happen to a host. "use" is what the others are mixed with.
SERVICE, METER = st.integers(0, 5), st.sampled_from(["A", "B"])
QUANTITY = st.one_of(st.integers(0, 50), st.decimals("0.01", 9, places=2))
GOOD = [
    st.tuples(st.just("use"), SERVICE, METER, QUANTITY),
    st.tuples(st.just("gather")),
    st.tuples(st.just("days"), st.sampled_from([1, 20, 70])),
    st.tuples(st.just("anew"), SERVICE),
]
BAD = [
    st.tuples(st.just("down"), SERVICE, st.booleans()),
    st.tuples(st.just("broken"), SERVICE, st.sampled_from([None, *BROKEN])),
    st.tuples(st.just("replace"), SERVICE, st.booleans()),
    st.tuples(st.just("unreachable"), st.booleans()),
    st.tuples(st.just("twice")),
    st.tuples(st.just("lose")),
]


@st.composite
def hosts(draw: t.Callable[..., t.Any], events: list[t.Any], months: t.Sequence[str] = ("answers",)) -> Host:
    """A host that lived through C(events), gathered at the end."""
    host = Host()
    for number in range(draw(st.integers(1, 3))):
        directory = Directory(f"/out/{number}", draw(st.sampled_from(["mount", "service"])), inode=host._inode())
        for family in draw(st.sampled_from([("sentiment",), ("sentiment", "keyphrase"), ("sentiment", "sentiment")])):
            host.add(f"{family}-{len(host.services)}", family, directory=directory, months=draw(st.sampled_from(list(months))))
    for event in draw(st.lists(st.one_of(*events), max_size=25)):
        happen(host, *event)
    host.now += 60
    host.gather()
    return host


def happen(host: Host, what: str, *how: t.Any) -> None:
    host.now += 60
    host.history.append((what, *how))
    service = host.services[how[0] % len(host.services)] if how and what in ("use", "anew", "down", "broken", "replace") else None
    if what == "use":
        host.use(service, *how[1:])
    elif what == "gather":
        host.gather()
    elif what == "days":
        host.now += how[0] * DAY
    elif what == "anew":
        service.container += 1
    elif what == "down":
        service.up = how[1]
    elif what == "broken":
        service.broken = how[1]
    elif what == "replace":
        host.forget_unless_seen(service.directory)
        host.replace(service.directory, how[1])
    elif what == "unreachable":
        host.reachable = not how[0]
    elif what == "twice":
        host.entries += host.entries[-1:]
    elif what == "lose" and len(host.entries) > 1:
        del host.entries[-1]


@cases(150)
@given(hosts(GOOD, ("answers", "absent")))
def test_property_what_was_gathered_is_the_truth(host):
    results = rolled(host)
    if by_meter(results) != true(host):
        # Two services that are used alike cannot be told from two that report one sum; that is said.
        assert "report the same numbers" in texts(results)
    assert kinds(results, "gap") == kinds(results, "anomaly") == []


@cases(200)
@given(hosts(GOOD + BAD, ("answers", "absent", "total")))
def test_property_the_truth_or_a_finding_that_names_why_not(host):
    results = rolled(host)
    if by_meter(results) != true(host):
        assert kinds(results, "gap") or kinds(results, "anomaly") or "report the same numbers" in texts(results)
    assert all(row["quantity"] > 0 for row in results["usage"])
    files = render_report(results)
    assert files == render_report(rolled(host))


@cases(60)
@given(hosts(GOOD + BAD))
def test_property_a_gather_that_finds_nothing_new_and_records_that_come_twice_change_no_number(host):
    before = rolled(host)
    host.entries += host.entries[-1:]
    assert rolled(host)["usage"] == before["usage"]
    host.gather()
    assert by_meter(rolled(host)) == by_meter(before)
