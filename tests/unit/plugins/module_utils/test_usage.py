# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import os
import socketserver
import threading
import time
import typing as t

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _usage
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError

GOOD = b'{"apiType":"noop","serviceName":"noop","meters":[{"name":"Sample.Meter","quantity":253}]}'


@contextlib.contextmanager
def serving(answer: t.Callable[[t.Any, str], None]) -> t.Iterator[int]:
    """A server on this machine that answers each request by C(answer)(send, path), which may do as it likes."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            path = self.rfile.readline().split()[1].decode()
            while self.rfile.readline().strip():
                pass
            with contextlib.suppress(OSError):
                answer(self.wfile.write, path)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()


def http(body: bytes, status: str = "200 OK", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode() + body


def drip(send: t.Any, begin: bytes) -> None:
    send(begin)
    for _second in range(100):
        send(b"x")
        time.sleep(0.1)


def endless(send: t.Any, _path: str) -> None:
    send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    for _block in range(200):
        send(b"[" * 65536)


def test_an_answer_is_kept_word_for_word():
    with serving(lambda send, path: send(http(GOOD))) as port:
        answer = _usage.ask("127.0.0.1", port, _usage.TOTAL)
    assert answer == {
        "path": "/records/usage-logs/", "status": 200, "type": "application/json", "body": GOOD.decode(), "error": None, "cut": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "status", "body", "error"),
    [
        (lambda send, path: send(http(b"no such month", "404 Not Found")), 404, "no such month", None),
        (lambda send, path: send(http(b"<html>", "302 Found")), 302, "<html>", None),
        (lambda send, path: send(http(GOOD, length=1000)), 200, GOOD.decode(), "the connection ended 911 bytes early"),
        (lambda send, path: send(b"HTTP/1.1 200 OK\r\n\r\n"), 200, "", None),
        (lambda send, path: send(b"SSH-2.0-OpenSSH\r\n"), None, "", "BadStatusLine: SSH-2.0-OpenSSH"),
        (lambda send, path: None, None, "", "Remote end closed connection without response"),
        (lambda send, path: send(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n"), None, "", "HTTPException: got more than 100 headers"),
        (lambda send, path: send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 200, "", "IncompleteRead: IncompleteRead(0 bytes read)"),
    ],
)
def test_whatever_comes_is_evidence(answer, status, body, error):
    with serving(answer) as port:
        found = _usage.ask("127.0.0.1", port, _usage.TOTAL, timeout=5)
    assert (found["status"], found["body"]) == (status, body)
    assert found["error"] == error


def test_an_endless_answer_is_cut_and_said_so():
    with serving(endless) as port:
        answer = _usage.ask("127.0.0.1", port, _usage.TOTAL)
    assert answer["cut"] and len(answer["body"]) == _usage.EVIDENCE_LIMIT
    assert answer["error"] == "more than 1048576 bytes; the first 65536 are kept"


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Slow: ", b""])
def test_an_answer_that_drips_does_not_keep_us(begin):
    started = time.monotonic()
    with serving(lambda send, path: drip(send, begin)) as port:
        answer = _usage.ask("127.0.0.1", port, _usage.TOTAL, timeout=0.5)
    assert time.monotonic() - started < 5
    assert answer["error"] == "no end within 0.5 seconds"


def test_bytes_that_are_no_text_are_kept_as_bytes():
    with serving(lambda send, path: send(http(b"\xff\x00"))) as port:
        answer = _usage.ask("127.0.0.1", port, _usage.TOTAL)
    assert base64.b64decode(answer["body_base64"]) == b"\xff\x00"


def test_nobody_there():
    with serving(lambda send, path: None) as port:
        pass
    assert _usage.ask("127.0.0.1", port, _usage.TOTAL)["error"] == "Connection refused"


@pytest.mark.parametrize("month", ["2026-13", "11/2026", "2026-1", "", "2026-11\n"])
def test_what_is_not_a_month_is_refused(month):
    with pytest.raises(CognitiveError, match="is not a month"):
        _usage.month_path(month)


def service(name: str, port: int, output: str) -> dict[str, t.Any]:
    return {"name": name, "family": "sentiment", "port": port, "bind": "0.0.0.0", "output_dir": output}


def test_services_on_one_directory_are_asked_in_turn_and_twice(tmp_path):
    (tmp_path / "out").mkdir()
    os.symlink(tmp_path / "out", tmp_path / "link")
    asked = []

    def answer(send: t.Any, path: str) -> None:
        asked.append(path)
        send(http(GOOD))

    with serving(answer) as port:
        services = [service("b", port, str(tmp_path / "out")), service("a", port, str(tmp_path / "link")), service("c", port, str(tmp_path / "gone"))]
        found = _usage.gather(services, ["2026-10", "2026-11"], "unix:///nowhere.sock")
    one, other, lonely = found["services"]
    # Both paths lead to one directory, which is named for the first service by name.
    assert (one["mount"], other["mount"], lonely["mount"]) == ("a", "a", None)
    assert [answer["month"] for answer in one["answers"]] == [None, "2026-10", "2026-11", None] * 2
    assert [answer["number"] for answer in one["answers"]] == [0, 1, 2, 3, 8, 9, 10, 11]
    assert [answer["number"] for answer in other["answers"]] == [4, 5, 6, 7, 12, 13, 14, 15]
    assert [answer["path"] for answer in lonely["answers"]][1:3] == ["/records/usage-logs/10/2026", "/records/usage-logs/11/2026"]
    assert lonely["mount_problem"].endswith("gone: No such file or directory")
    assert [mount["id"] for mount in found["mounts"]] == ["a"]
    assert "No Docker Engine answers" in found["engine"]["problem"]


def test_a_service_that_is_silent_is_asked_once(tmp_path):
    with serving(lambda send, path: None) as port:
        pass
    found = _usage.gather([service("a", port, str(tmp_path))], ["2026-11"], "unix:///nowhere.sock")
    assert [answer["error"] for answer in found["services"][0]["answers"]] == ["Connection refused"]


def test_a_service_without_its_facts_is_refused():
    with pytest.raises(CognitiveError, match="A service has no 'output_dir'"):
        _usage.gather([{"name": "a", "family": "b", "port": 1}], [], None)
