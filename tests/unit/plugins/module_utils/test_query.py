# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _query
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._family import Catalogue
from ansible_collections.airgap.cognitive.plugins.module_utils._query import Answer
from ansible_collections.airgap.cognitive.plugins.module_utils._settings import fill_query

QUERY = {"method": "POST", "path": "/x", "body": [{"Text": "a"}], "content_type": "application/json", "status": 200, "answer": ["translations"]}


def service(query=QUERY, name="x"):
    return {"host": "edge1", "name": name, "family": "text-translation", "bind": "0.0.0.0", "port": 5001, "query": query}


@pytest.mark.parametrize("name", Catalogue().names())
def test_the_query_of_every_family_can_be_sent(name):
    family = Catalogue().get(name)
    settings = {setting: rule["example"] for setting, rule in family.settings.items()}
    request = _query.build(service(fill_query(family, settings)))
    assert request.full_url.startswith("http://127.0.0.1:5001/")
    assert (request.data is None) == (request.get_method() == "GET")
    if request.get_header("Content-type") == "application/json":
        json.loads(request.data)


def test_body_as_it_is():
    assert _query.build(service({**QUERY, "body": "<speak/>"})).data == b"<speak/>"
    assert _query.build(service({**QUERY, "body_base64": base64.b64encode(b"RIFF").decode()})).data == b"RIFF"
    assert _query.build(service({**QUERY, "headers": {"X-A": "b"}})).headers == {"X-a": "b", "Content-type": "application/json"}


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(200, b'[{"translations": []}]'), None),
        (Answer(200, b'{"translations": []}'), None),
        (Answer(200, b'[{"error": "x"}]'), 'the answer lacks translations: 200 [{"error": "x"}]'),
        (Answer(200, b"[]"), "the answer lacks translations: 200 []"),
        (Answer(200, b"Ready."), "the answer is not JSON: 200 Ready."),
        (Answer(202, b""), "it was answered with 202, and not with 200"),
        (Answer(0, b"Connection refused"), "it was answered with nothing (Connection refused), and not with 200"),
    ],
)
def test_shape_of_an_answer(answer, fault):
    assert _query.find_fault(QUERY, answer) == fault


def test_sound_has_no_shape():
    assert _query.find_fault({**QUERY, "answer": []}, Answer(200, b"RIFF\xff")) is None


def test_one_that_loads_is_asked_again(monkeypatch):
    answers = [Answer(503, b"Service is temporarily unavailable"), Answer(0, b"Connection refused"), Answer(200, b'[{"translations": []}]')]
    monkeypatch.setattr(_query, "_POLL", 0.01)
    monkeypatch.setattr(_query, "send", lambda request: answers.pop(0))
    (result,) = _query.query_services([service(), service(query={})], 5)
    assert (result["query"], result["status"], result["problem"], answers) == ("POST /x", 200, None, [])


def test_every_service_that_fails_is_named(monkeypatch):
    asked = []

    def send(request):
        asked.append(request)
        return Answer(400, b'{"error": 1}')

    monkeypatch.setattr(_query, "send", send)
    with pytest.raises(CognitiveError) as failed:
        _query.query_services([service(), service(name="y")], 60)
    # What is refused for good is not asked again.
    assert len(asked) == 2
    assert str(failed.value).splitlines() == [
        f'edge1, service {name}: its sample query POST /x failed: it was answered with 400 {{"error": 1}}, and not with 200; read the log of its container.'
        for name in ("x", "y")
    ]
    assert [result["status"] for result in failed.value.details["queries"]] == [400, 400]


def test_nobody_there():
    answer = _query.send(_query.build({**service(), "port": 9}))
    assert answer.status == 0 and b"refused" in answer.body.lower()
