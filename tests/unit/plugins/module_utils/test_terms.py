# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import json

import pytest
from bundle_place import K, Place, make_key

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import BUNDLE_NAMESPACE
from ansible_collections.airgap.cognitive.plugins.module_utils._terms import Policy, Terms, parse_time

NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def stamped(place):
    catalogue = Bundle(str(place.path)).catalogue
    return catalogue["serial"], catalogue.get("valid_until")


def test_serial_numbers_grow_with_the_content_and_stay_with_it(place):
    place.export(now=NOW)
    first = stamped(place)
    assert first == (int(NOW.timestamp()), None)
    assert place.export(now=NOW + DAY) == ([], 0)
    # A clock that was put back does not make the next one older.
    place.export(names=[K], now=NOW - DAY)
    assert stamped(place) == (first[0] + 1, None)


def test_a_term_is_given_and_given_anew_in_its_last_third(place):
    place.export(now=NOW, valid_days=90)
    assert stamped(place)[1] == "2027-02-23T12:00:00Z"
    assert place.export(now=NOW + 59 * DAY, valid_days=90) == ([], 0)
    reasons, _written = place.export(now=NOW + 61 * DAY, valid_days=90)
    assert reasons
    assert parse_time(stamped(place)[1]) == NOW + 151 * DAY
    assert place.export(now=NOW + 61 * DAY, valid_days=0)[0]
    assert stamped(place)[1] is None


def catalogue(serial=100, **more):
    return {"series": "site", "serial": serial, "id": "abc", "created": "2026-11-20T12:00:00Z", **more}


def test_an_older_bundle_is_refused_unless_it_is_said_to_be_wanted(tmp_path):
    record = str(tmp_path / "series.json")
    policy = Policy(record, now=NOW)
    assert policy.judge(catalogue(), "b") == []
    assert policy.reason_to_remember(catalogue())
    policy.remember(catalogue())
    assert policy.reason_to_remember(catalogue()) is None
    assert policy.judge(catalogue(), "b") == []
    with pytest.raises(CognitiveError, match="is older than bundle abc"):
        policy.judge(catalogue(99), "b")
    assert Policy(record, allow_older=True, now=NOW).judge(catalogue(99), "b") == []
    # Going back does not make what lies between new again.
    policy.remember(catalogue(99))
    assert json.loads((tmp_path / "series.json").read_text())["site"]["serial"] == 100
    assert policy.judge({**catalogue(1), "series": "other"}, "b") == []
    assert policy.reason_to_remember({**catalogue(1), "series": "other"})


def test_without_a_record_any_age_is_taken():
    policy = Policy(now=NOW)
    assert policy.reason_to_remember(catalogue()) is None
    policy.remember(catalogue())
    assert policy.judge(catalogue(1), "b") == []


@pytest.mark.parametrize("content", ["{", "[]", '{"site": {"serial": "x"}}', '{"site": 5}'])
def test_a_record_that_cannot_be_read(tmp_path, content):
    record = tmp_path / "series.json"
    record.write_text(content)
    with pytest.raises(CognitiveError, match="cannot be read as the record"):
        Policy(str(record)).judge(catalogue(), "b")


def test_a_bundle_is_refused_after_its_term_but_for_what_clocks_are_off(tmp_path):
    until = catalogue(valid_until="2026-11-24T13:00:00Z")
    assert Policy(now=NOW).judge(until, "b") == []
    with pytest.raises(CognitiveError, match="was valid until 2026-11-24T13:00:00Z"):
        Policy(now=NOW + 2 * DAY).judge(until, "b")
    assert Policy(now=NOW + 2 * DAY, allow_expired=True).judge(until, "b") == []
    assert "put the clock right" in Policy(now=NOW - 10 * DAY).judge(until, "b")[0]


def two_signers(place):
    other = make_key(place.root / "other")
    with place.allowed.open("a") as stream:
        stream.write(f'second@example namespaces="{BUNDLE_NAMESPACE}" {(place.root / "other.pub").read_text()}')
    return other


def test_several_signers(place):
    other = two_signers(place)
    place.export()
    with pytest.raises(CognitiveError, match="is signed by staging@example only, and 2 different signers must sign it"):
        place.verify(signers_needed=2)
    reasons, _written = place.export(further_keys=[other])
    assert reasons == ["the bundle is not signed with every key"]
    assert place.export(further_keys=[other]) == ([], 0)
    assert place.verify(signers_needed=2).signers == ["staging@example", "second@example"]
    assert place.verify(signer="second@example").faults == []
    with pytest.raises(CognitiveError, match="third@example must have signed it"):
        place.verify(signer="third@example")
    (place.path / "SHA256SUMS.2.sig").write_bytes((place.path / "SHA256SUMS.2.sig").read_bytes().replace(b"A", b"B", 1))
    with pytest.raises(CognitiveError, match="does not match its signature"):
        place.verify()


def test_a_signer_counts_once_and_goes_when_it_is_not_asked_for(place):
    other = two_signers(place)
    place.export(further_keys=[place.key])
    with pytest.raises(CognitiveError, match="2 different signers"):
        place.verify(signers_needed=2)
    place.export(further_keys=[other])
    reasons, _written = place.export()
    assert reasons == ["the bundle is signed by more than is asked for"]
    assert not (place.path / "SHA256SUMS.2.sig").exists()
    assert place.verify().faults == []


def test_the_default_says_nothing_of_a_term():
    assert set(Terms(now=NOW).stamp("x", {})) == {"created", "tool", "serial"}
