# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path

import pytest
from billing.resources import Resource, answer, read_resources
from simulator import endpoint as client
from simulator.endpoint import Refused, request_license

SENTIMENT = {"containerType": "sentiment", "containerVersion": "3.0-en"}
RESOURCES = [
    Resource("a.example", "", "key-a", ("sentiment", "keyphrase"), days=2),
    Resource("b.example", "/b", "key-b", ("sentiment",), ends="2027-03-31"),
    Resource("c.example", "", "key-c", ("sentiment",), status="OutOfQuota"),
]


def test_license_lasts_as_long_as_the_resource_says() -> None:
    assert answer(RESOURCES, "a.example", "", "key-a", SENTIMENT, now=1000) == (200, {"status": "Valid", "expires": 1000 + 2 * 86400})


def test_license_may_end_with_a_day() -> None:
    assert answer(RESOURCES, "b.example", "/b", "key-b", SENTIMENT, now=1000) == (200, {"status": "Valid", "expires": 1806537600.0})


@pytest.mark.parametrize(("host", "path", "key"), [("a.example", "", "key-b"), ("a.example", "", ""), ("x.example", "", "key-a"), ("b.example", "", "key-b")])
def test_wrong_key_or_endpoint(host: str, path: str, key: str) -> None:
    assert answer(RESOURCES, host, path, key, SENTIMENT) == (401, {"status": "Invalid"})


def test_key_of_another_kind_of_resource() -> None:
    assert answer(RESOURCES, "b.example", "/b", "key-b", {"containerType": "keyphrase"}) == (403, {"status": "Mismatch"})


def test_status_of_the_resource() -> None:
    assert answer(RESOURCES, "c.example", "", "key-c", SENTIMENT) == (403, {"status": "OutOfQuota"})


def test_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "resources.json"
    entries = [
        {"endpoint": "https://A.example/", "api_key": "key-a", "families": ["sentiment", "keyphrase"], "days": 2},
        {"endpoint": "https://b.example:8443/b/", "api_key": "key-b", "families": ["sentiment"], "ends": "2027-03-31"},
        {"endpoint": "http://c.example", "api_key": "key-c", "families": ["sentiment"], "status": "OutOfQuota"},
    ]
    path.write_text(json.dumps({"resources": entries}))
    assert read_resources(path) == RESOURCES


def test_misspelt_status_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "resources.json"
    path.write_text(json.dumps({"resources": [{"endpoint": "http://c", "api_key": "k", "families": [], "status": "Full"}]}))
    with pytest.raises(ValueError, match="status 'Full' of http://c is not one of"):
        read_resources(path)


@pytest.mark.parametrize("billing", ["", "sentiment.example", "ftp://a.example", "https://", "https://[", "http://a:0"])
def test_bad_endpoint(billing: str) -> None:
    with pytest.raises(Refused, match="Invalid Billing Endpoint URI"):
        request_license(billing, "good", SENTIMENT, {})


def test_granted_over_http(endpoint: str) -> None:
    assert request_license(endpoint + "/", "good", SENTIMENT, {})["expires"] > 0


@pytest.mark.parametrize("key", ["bad", ""])
def test_wrong_key_over_http(endpoint: str, key: str) -> None:
    with pytest.raises(Refused, match=r"status 'Invalid'\. Api Key is invalid\.$"):
        request_license(endpoint, key, SENTIMENT, {})


def test_mismatch_over_http(endpoint: str) -> None:
    with pytest.raises(Refused, match=r"status 'Mismatch'\. Api Key is not intended for the given container type\.$"):
        request_license(endpoint, "good", {"containerType": "keyphrase"}, {})


def test_unreachable() -> None:
    with pytest.raises(Refused, match="Endpoint connection failed with status 'CouldNotConnect'. .*refused"):
        request_license("http://127.0.0.1:9", "good", SENTIMENT, {})


def test_key_is_in_no_message(endpoint: str) -> None:
    with pytest.raises(Refused) as refused:
        request_license(endpoint, "very-secret", SENTIMENT, {})
    assert "very-secret" not in str(refused.value)


def test_request_may_go_through_a_proxy(endpoint: str) -> None:
    """The proxy is asked for the endpoint's address; here it is an endpoint itself, which knows no such host."""
    with pytest.raises(Refused, match="'Invalid'"):
        request_license("http://far.example", "good", SENTIMENT, {"http": endpoint})


def test_both_sides_name_the_same_path() -> None:
    from billing.__main__ import LICENSE_PATH

    assert client.LICENSE_PATH == LICENSE_PATH
