# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.plugin_utils import _gather, _ledger
from ansible_collections.airgap.cognitive.plugins.plugin_utils._ledger import HostLedger, read_ledgers

NOW = 1795559067.0


def unreachable(seconds=0.0, problem="No route to host"):
    return _gather.unreachable_record("north", "edge1", NOW + seconds, problem)


def write(ledger, record):
    with ledger.locked():
        last = ledger.last()
        return ledger.add(record, last) if ledger.reason_to_add(record, last) else None


def read(path):
    ((_name, entries, faults),) = read_ledgers([str(path)])
    return entries, [fault.text for fault in faults]


def test_a_record_is_written_where_it_says_something_new_and_once_a_day(tmp_path):
    ledger = HostLedger(str(tmp_path), "edge1")
    assert write(ledger, unreachable())
    assert write(ledger, unreachable(60)) is None
    assert write(ledger, unreachable(120, "Connection refused"))
    assert write(ledger, unreachable(120 + 20 * 3600, "Connection refused"))
    entries, faults = read(tmp_path)
    assert [entry.record["time"] for entry in entries] == ["2026-11-24T22:24:27Z", "2026-11-24T22:26:27Z", "2026-11-25T18:26:27Z"]
    assert [entry.record["previous"] for entry in entries] == [None, entries[0].digest, entries[1].digest]
    assert faults == []


def test_a_second_gather_of_the_same_host_is_kept_out(tmp_path):
    one, other, again = (HostLedger(str(tmp_path), name) for name in ("edge1", "edge2", "edge1"))
    with one.locked(), other.locked(), pytest.raises(CognitiveError, match="edge1: another gather is writing"), again.locked():
        pass


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda path: _edit(path, "edge1", "edge9"), "was altered after it was written"),
        (lambda path: open(path, "r+b").truncate(50), "is cut off or was altered: it is not JSON"),
        (lambda path: os.rename(path, os.path.join(os.path.dirname(path), "stock.json")), "is not a usage record of this collection by its name"),
    ],
)
def test_a_file_that_is_not_what_it_was_is_left_out_and_told(tmp_path, spoil, text):
    path = write(HostLedger(str(tmp_path), "edge1"), unreachable())
    spoil(path)
    entries, faults = read(tmp_path)
    assert entries == []
    assert len(faults) == 1 and text in faults[0]


def _edit(path, old, new):
    with open(path, encoding="ascii") as handle:
        text = handle.read()
    with open(path, "w", encoding="ascii") as handle:
        handle.write(text.replace(old, new))


@pytest.mark.parametrize(
    "record",
    [[], {}, {"kind": "something.else"}, {"kind": _ledger.KIND, "schema": 2}, {"kind": _ledger.KIND, "schema": 1, "site": "s", "host": "h", "time": "now"},
     {"kind": _ledger.KIND, "schema": 1, "site": "s", "host": "h", "time": "2026-11-24T22:24:27Z", "reachable": True, "services": [{}], "mounts": []}],
)  # fmt: skip
def test_the_file_of_another_product_is_left_out_and_told(tmp_path, record):
    ledger = HostLedger(str(tmp_path), "edge1")
    with ledger.locked():
        content = _ledger.canonical(record)
        digest = _ledger.hashlib.sha256(content).hexdigest()
        _ledger.write_whole(os.path.join(ledger.path, f"2026-11-24T222427Z-{digest[:8]}.json"), content)
    entries, faults = read(tmp_path)
    assert entries == []
    assert "is not a usage record of this collection" in faults[0]


def test_a_ledger_that_comes_twice_counts_once(tmp_path):
    for copy in ("one", "two"):
        write(HostLedger(str(tmp_path / copy), "edge1"), unreachable())
    ((name, entries, _faults),) = read_ledgers([str(tmp_path / "one"), str(tmp_path / "two")])
    assert (name, len(entries)) == ("edge1", 1)


def test_no_ledger_is_one_sentence(tmp_path):
    with pytest.raises(CognitiveError, match="There is no ledger at"):
        list(read_ledgers([str(tmp_path / "no")]))


@pytest.mark.parametrize("host", ["../../etc", "a/b", "..", ".", "edge:1", "caf\u00e9"])
def test_hosts_may_be_called_anything(tmp_path, host):
    path = HostLedger(str(tmp_path), host).path
    assert os.path.dirname(path) == str(tmp_path)
    assert not os.path.basename(path).startswith(".") and ":" not in path


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(_ledger.os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(CognitiveError, match="cannot be written: No space left on device"):
        _ledger.write_whole(str(tmp_path / "x" / "file"), b"content")
    assert os.listdir(tmp_path / "x") == []


def test_months_reach_back_to_the_last_record(tmp_path):
    assert _gather.months_to_ask(NOW, 3, None) == ["2026-09", "2026-10", "2026-11"]
    assert _gather.months_to_ask(NOW, 1, None) == ["2026-11"]
    ledger = HostLedger(str(tmp_path), "edge1")
    write(ledger, unreachable(-150 * 86400))
    assert _gather.months_to_ask(NOW, 2, ledger.last()) == ["2026-06", "2026-07", "2026-08", "2026-09", "2026-10", "2026-11"]
    with pytest.raises(CognitiveError, match="months: 0 is not a number of months"):
        _gather.months_to_ask(NOW, 0, None)


def test_records_are_canonical(tmp_path):
    path = write(HostLedger(str(tmp_path), "edge1"), unreachable())
    with open(path, "rb") as handle:
        content = handle.read()
    assert content == _ledger.canonical(json.loads(content))
