# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import http.server
import json
import threading

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _ready
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError

docker_errors = pytest.importorskip("docker.errors")

VALID = {"service": "sentimentonnx", "apiStatus": "Valid", "apiStatusMessage": "Api Key is valid, no action needed."}
RUNNING = {"State": {"Running": True, "StartedAt": "2026-11-24T22:00:00.123456789Z"}, "RestartCount": 0}


class Container:
    """What stands behind a port; C(answers) are for /ready, one after the other, then the last one for good."""

    def __init__(self):
        self.answers = [(200, "{}")]
        self.status = (200, json.dumps(VALID))
        self.asked = []
        self.found = RUNNING
        self.says = ""
        container = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                container.asked.append(self.path)
                if self.path == "/status":
                    code, body = container.status
                else:
                    code, body = container.answers.pop(0) if len(container.answers) > 1 else container.answers[0]
                self.send_response(code)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def service(self, **more):
        return {
            "host": "edge1",
            "name": "sentiment-en",
            "family": "sentiment",
            "tag": "3.0-en",
            "bind": "127.0.0.1",
            "port": self.server.server_port,
            "container_port": 5000,
            "ready_timeout": 30,
            **more,
        }


class FakeEngine:
    """An engine that knows of one container."""

    def __init__(self, container):
        self.container = container
        self.api = self
        self.since = []

    @contextlib.contextmanager
    def speaking(self):
        yield

    def inspect_container(self, name):
        found = self.container.found
        if callable(found):
            found = found()
        if found is None:
            raise docker_errors.NotFound("no such container")
        return found

    def logs(self, name, tail, since=None):
        self.since.append(since)
        return self.container.says.encode()


@pytest.fixture
def container(monkeypatch):
    monkeypatch.setattr(_ready, "_POLL", 0.01)
    made = Container()
    yield made
    made.server.shutdown()
    made.server.server_close()


def failure_of(container, **more):
    with pytest.raises(CognitiveError) as wrong:
        _ready.wait([container.service(**more)], FakeEngine(container))
    return str(wrong.value)


def test_ready_and_valid(container):
    (state,) = _ready.wait([container.service()], FakeEngine(container))
    assert (state["host"], state["service"], state["family"], state["tag"]) == ("edge1", "sentiment-en", "sentiment", "3.0-en")
    assert (state["ready"], state["api_status"], state["message"]) == (True, "Valid", "Api Key is valid, no action needed.")
    assert state["address"] == f"127.0.0.1:{container.server.server_port}"
    assert container.asked == ["/ready", "/status"]


def test_waits_until_ready(container):
    container.answers = [(503, "loading"), (503, "loading"), (200, "{}")]
    (state,) = _ready.wait([container.service()], FakeEngine(container))
    assert state["ready"]
    assert container.asked == ["/ready", "/ready", "/ready", "/status"]


def test_check_mode_looks_once_and_never_fails(container):
    container.answers = [(503, "loading")]
    (state,) = _ready.wait([container.service()], None)
    assert (state["ready"], state["api_status"], state["answer"]) == (False, None, "503 loading")
    assert container.asked == ["/ready"]


def test_status_200_that_says_invalid_fails_at_once(container):
    container.status = (200, json.dumps({**VALID, "apiStatus": "Mismatch", "apiStatusMessage": "Api Key is not intended for the given container type."}))
    message = failure_of(container)
    assert message.startswith("edge1, service sentiment-en: the key belongs to a resource of another kind; use the key of a resource")
    assert "/status answers 200 {" in message and message.endswith("the container said: nothing")


def test_unknown_status_is_waited_for(container):
    container.status = (200, json.dumps({**VALID, "apiStatus": "Unknown"}))
    message = failure_of(container, ready_timeout=0.1)
    assert message.startswith("edge1, service sentiment-en: it is not valid after ")
    assert len(container.asked) > 2


@pytest.mark.parametrize("body", ["", "no JSON", "[]", '{"service": "x"}', '"apiStatus"'])
def test_status_that_cannot_be_read_is_not_valid(container, body):
    container.status = (200, body)
    assert failure_of(container, ready_timeout=0.05).startswith("edge1, service sentiment-en: it is not valid after ")


def test_time_is_up(container):
    container.answers = [(503, "still loading")]
    container.says = "banner\nLoading models.\n"
    message = failure_of(container, ready_timeout=0.05)
    assert "it is not ready after " in message
    assert message.endswith("wait longer with ready_timeout. /ready answers 503 still loading; the container said: banner | Loading models.")


@pytest.mark.parametrize(
    ("says", "sentence"),
    [
        ("Container does not have a valid disconnected container license", "its license is missing, expired, altered or of another image or family; renew "),
        ("The provided license path was not found. Please ensure", "it finds no license directory; put the license of this very image in place, "),
        ("This container image is expired. Please update", "the image is too old; use a newer version of the image."),
    ],
)
def test_what_waiting_does_not_change_is_not_waited_for(container, says, sentence):
    container.answers = [(503, "not ready")]
    container.says = says
    assert failure_of(container).startswith(f"edge1, service sentiment-en: {sentence}")


def test_what_may_pass_is_waited_for(container):
    container.answers = [(503, "loading"), (503, "loading"), (200, "{}")]
    container.says = "http://layout:5000: Connection refused"
    (state,) = _ready.wait([container.service()], FakeEngine(container))
    assert state["ready"]


def test_refusal_in_the_answer(container):
    container.answers = [(503, "Container does not have a valid disconnected container license")]
    assert "renew the license" in failure_of(container)


def test_only_the_log_of_this_start_counts(container):
    engine = FakeEngine(container)
    container.answers = [(503, "loading"), (200, "{}")]
    container.says = "Application started."
    _ready.wait([container.service()], engine)
    assert engine.since == [1795557600]


def test_no_container(container):
    container.server.shutdown()
    container.server.server_close()
    container.found = None
    assert failure_of(container) == "edge1, service sentiment-en: there is no container of that name; deploy it with site."


def test_container_that_ended(container):
    container.answers = [(503, "")]
    container.found = {"State": {"Running": False, "ExitCode": 3}, "RestartCount": 0}
    container.says = "last words"
    assert failure_of(container) == (
        "edge1, service sentiment-en: it ended with status 3; read what it said. /ready answers 503; the container said: last words"
    )


def test_container_that_the_engine_did_not_start(container):
    container.answers = [(503, "")]
    container.found = {"State": {"Running": False, "Error": "port is already allocated"}}
    assert failure_of(container).startswith("edge1, service sentiment-en: Docker Engine did not start it: port is already allocated; ")


def test_container_that_starts_again_and_again(container):
    container.answers = [(503, "")]
    counts = iter(range(5, 100))
    container.found = lambda: {"State": {"Running": True, "ExitCode": 1}, "RestartCount": next(counts)}
    container.says = "crash"
    assert "the container said: crash" in failure_of(container)
    # Three more starts than at the first look.
    assert next(counts) == 9


def test_container_between_two_of_many_starts(container):
    container.answers = [(503, "")]
    container.found = {"State": {"Running": True, "Restarting": True, "ExitCode": 1}, "RestartCount": 7}
    assert "it ended with status 1" in failure_of(container)
    assert len(container.asked) == 1


def test_killed_for_want_of_memory(container):
    container.answers = [(503, "")]
    container.found = {"State": {"Running": False, "OOMKilled": True, "ExitCode": 137}}
    assert "it was killed for want of memory; give the service more memory" in failure_of(container)


def test_illegal_instruction(container):
    container.answers = [(503, "")]
    container.found = {"State": {"Running": False, "ExitCode": 132}}
    assert "the CPU lacks an instruction set that it needs; run it on a host with AVX2" in failure_of(container)


def test_container_that_listens_elsewhere(container):
    container.answers = [(503, "")]
    container.says = "Now listening on: http://0.0.0.0:5050"
    assert "the container listens on port 5050 and not on 5000; override the field port of its family" in failure_of(container, ready_timeout=0.05)
    assert "listens on" not in failure_of(container, ready_timeout=0.05, container_port=5050)


def test_every_service_that_fails_is_named_and_the_others_are_waited_for(container):
    other = Container()
    try:
        container.found = {"State": {"Running": False, "ExitCode": 1}}
        container.answers = [(503, "")]
        other.answers = [(503, ""), (503, ""), (200, "")]
        engine = FakeEngine(container)
        by_name = {"a": container, "b": container, "c": other}
        engine.inspect_container = lambda name: by_name[name].found
        services = [container.service(name="a"), container.service(name="b"), other.service(name="c")]
        with pytest.raises(CognitiveError) as wrong:
            _ready.wait(services, engine)
    finally:
        other.server.shutdown()
        other.server.server_close()
    assert [line.split(":")[0] for line in str(wrong.value).splitlines()] == ["edge1, service a", "edge1, service b"]
    assert [state["ready"] for state in wrong.value.details["services"]] == [False, False, True]


def test_what_does_not_speak_http():
    assert _ready.ask("http://127.0.0.1:1/ready")[0] == 0
    assert _ready.ask("http://no host/ready")[0] == 0


@pytest.mark.parametrize(
    ("bind", "url"),
    [("0.0.0.0", "http://127.0.0.1:5001"), ("::", "http://[::1]:5001"), ("10.0.0.1", "http://10.0.0.1:5001"), ("fd00::1", "http://[fd00::1]:5001")],
)
def test_where_a_service_answers(bind, url):
    assert _ready.base_url({"bind": bind, "port": 5001}) == url
