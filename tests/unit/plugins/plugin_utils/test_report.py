# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import csv
import io
import json
import re
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.plugin_utils._commitments import check_commitments
from ansible_collections.airgap.cognitive.plugins.plugin_utils._report import render_json, render_report, why_write, write_report
from ansible_collections.airgap.cognitive.plugins.plugin_utils._rollup import roll_up
from ansible_collections.airgap.cognitive.plugins.plugin_utils._words import clean, grouped, short
from ansible_collections.airgap.cognitive.tests.unit.plugins.plugin_utils.usage_fleet import Host

VOID = {"meta", "br", "wbr", "line", "rect"}


class Page(HTMLParser):
    """Refuses tags that do not match; collects the text, the links and the ids."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.attributes = [], "", []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, *attr) for attr in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def fleet(count, months=2):
    hosts = []
    for number in range(count):
        host = Host(f"edge{number}")
        for family in ("sentiment", "vision-read"):
            host.add(f"{family}-1", family)
        for month in range(months):
            for service in host.services:
                host.use(service, f"CognitiveServices.{service.family}.Records", 10 * (number + 1) + month)
            host.gather()
            host.now += 31 * 86400
        hosts.append(host)
    return hosts


def results_of(hosts, **more):
    return roll_up([(host.name, host.entries, []) for host in hosts], [service for host in hosts for service in host.expected], **more)


@pytest.mark.parametrize("count", [0, 1, 3, 30])
def test_the_page_is_whole_and_needs_nothing(count):
    text = render_report(results_of(fleet(count)))["usage.html"].decode()
    page = Page(text)
    ids = {value for _tag, name, value in page.attributes if name == "id"}
    assert {value[1:] for _tag, name, value in page.attributes if name == "href"} <= ids
    assert not [entry for entry in page.attributes if entry[1] in ("src", "srcset", "onclick")]
    assert "<script" not in text and "http:" not in text and "https:" not in text and "@import" not in text and "url(" not in text


def test_the_page_says_first_whether_the_numbers_are_whole():
    hosts = fleet(2)
    assert "All 4 services are counted, and nothing contradicts the numbers." in render_report(results_of(hosts))["usage.html"].decode()
    hosts[0].reachable = False
    for host in hosts:
        host.gather()
    page = render_report(results_of(hosts))["usage.html"].decode()
    assert "2 of 4 services are missing or out of date, so the totals are a lower bound." in page
    assert "edge0 could not be reached" in page


def test_hostile_names_stay_text():
    host = Host("edge<1>")
    service = host.add("sen", reporter="</title><script>alert(1)</script>")
    host.use(service, '<img src=x onerror="alert(1)">\u202e\x1b[2J', 5)
    host.gather()
    files = render_report(results_of([host], title="<b>&"))
    text = files["usage.html"].decode()
    page = Page(text)
    assert "<img" not in text and "<script" not in text
    assert not [entry for entry in page.attributes if entry[1].startswith("on")]
    assert "\x1b" not in text and "\u202e" not in text
    assert json.loads(files["usage.json"])["usage"][0]["meter"] == '<img src=x onerror="alert(1)">\u202e\x1b[2J'


@pytest.mark.parametrize("meter", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\uff1d1", "\r=1"])
def test_no_cell_of_the_csv_file_is_a_formula(meter):
    host = Host()
    host.use(host.add("sen"), meter, 5)
    host.gather()
    text = render_report(results_of([host]))["usage.csv"].decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert rows[0]["meter"].startswith("'")
    assert (rows[0]["host"], rows[0]["service"], rows[0]["month"], rows[0]["quantity"]) == ("edge1", "sen", "2026-01", "5")


def test_the_files_agree_and_are_the_same_every_time():
    hosts = fleet(3)
    files = render_report(results_of(hosts))
    assert files == render_report(results_of(fleet(3)))
    data = json.loads(files["usage.json"], parse_float=Decimal)
    rows = list(csv.DictReader(io.StringIO(files["usage.csv"].decode(), newline="")))
    whole = sum(host.truth[meter] for host in hosts for meter in host.truth)
    assert sum(Decimal(row["quantity"]) for row in rows) == sum(row["quantity"] for row in data["totals"]) == whole
    assert data["schema"] == 1


def test_the_report_is_written_where_it_differs(tmp_path):
    files = render_report(results_of(fleet(1)))
    assert why_write(str(tmp_path / "r"), files) == "there is no usage.json yet"
    write_report(str(tmp_path / "r"), files)
    assert why_write(str(tmp_path / "r"), files) is None
    (tmp_path / "r" / "usage.csv").write_text("mine")
    assert why_write(str(tmp_path / "r"), files) == "usage.csv differs"


def test_json_has_exact_numbers():
    value = {"a": [Decimal("0.30"), Decimal(2) ** 70, 1, None, "\u20ac"], "b": {}, "c": []}
    assert json.loads(render_json(value), parse_float=Decimal) == {"a": [Decimal("0.3"), 2**70, 1, None, "\u20ac"], "b": {}, "c": []}


def test_the_page_for_many_hosts_stays_small():
    page = render_report(results_of(fleet(300, 3)))["usage.html"]
    assert len(page) < 1_000_000
    assert len(re.findall(rb"<figure>", page)) == 4


@pytest.mark.parametrize(
    ("commitment", "message"),
    [
        ({"family": "a", "meter": "b"}, "Commitment 1 has no monthly_quota"),
        ({"family": "a", "meter": "b", "monthly_quota": "many"}, "is not a number above zero"),
        ({"family": "a", "meter": "b", "monthly_quota": -1}, "is not a number above zero"),
        ({"family": "a", "meter": "b", "monthly_quota": 1, "ends": "31.3.2027"}, "is not a date"),
        ({"family": "a", "meter": "b", "monthly_quota": 1, "yearly": 2}, "unknown key 'yearly'"),
    ],
)
def test_a_commitment_that_makes_no_sense_is_one_sentence(commitment, message):
    with pytest.raises(CognitiveError, match=message):
        check_commitments([commitment])


def test_numbers_for_readers():
    assert [grouped(Decimal(value)) for value in ("1234567", "0.50", "1234.5")] == ["1,234,567", "0.5", "1,234.5"]
    assert [short(Decimal(value)) for value in ("0.123", "999", "9999", "12345", "1234567", "2500000000")] == ["0.12", "999", "9,999", "12.3k", "1.2M", "2.5bn"]
    assert clean("a\x1b\u202eb\nc") == "a\ufffd\ufffdb\ufffdc"
