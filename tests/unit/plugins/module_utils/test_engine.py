# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the engine adapter makes of an engine's answers; the SDK is real, the engine is a server in this process."""

from __future__ import annotations

import http.server
import json
import os
import socketserver
import tempfile
import threading
import typing as t

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine, LoadRefused
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError

pytest.importorskip("docker")

CONTAINERD = [["driver-type", "io.containerd.snapshotter.v1"]]


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class FakeDaemon:
    """Answers as a Docker Engine does; C(answers) are status and body by the end of the path."""

    def __init__(self, path: str) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.info: dict[str, t.Any] = {"ServerVersion": "26.1.5", "DriverStatus": [], "DockerRootDir": "/data"}
        self.api_version = "1.45"
        self.asked: list[str] = []
        self.received = b""
        self.drop = False
        daemon = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def address_string(self) -> str:
                return "test"

            def log_message(self, *_args: t.Any) -> None:
                pass

            def do_GET(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                while True:
                    size = int(self.rfile.readline() or b"0", 16)
                    daemon.received += self.rfile.read(size)
                    self.rfile.readline()
                    if not size:
                        break
                self.answer()

            def answer(self) -> None:
                path, _question, query = self.path.partition("?")
                daemon.asked.append(self.path)
                if daemon.drop and path.endswith("/load"):
                    self.close_connection = True
                    return
                status, body = 200, b"{}"
                if path.endswith("/version"):
                    body = json.dumps({"ApiVersion": daemon.api_version}).encode()
                elif path.endswith("/info"):
                    body = json.dumps(daemon.info).encode()
                else:
                    status, body = next(
                        ((status, body) for end, (status, body) in daemon.answers.items() if path.endswith(end)), (404, b'{"message":"no such image"}')
                    )
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = Server(path, Handler)
        self.url = "unix://" + path
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


@pytest.fixture
def daemon() -> t.Iterator[FakeDaemon]:
    # The path of a socket may not be longer than some 100 bytes.
    with tempfile.TemporaryDirectory() as directory:
        found = FakeDaemon(os.path.join(directory, "docker.sock"))
        yield found
        found.server.shutdown()
        found.server.server_close()


def lines(*documents: dict[str, t.Any]) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\r\n" for document in documents)


def test_a_load_sends_the_archive_and_returns_what_was_said(daemon):
    daemon.answers["/images/load"] = (200, lines({"status": "Loading layer"}, {"stream": "Loaded image: a:1\n"}))
    assert Engine(daemon.url).load(iter([b"archive", b"", b"-end"])) == ["Loaded image: a:1"]
    assert daemon.received == b"archive-end"
    assert "quiet=0" in daemon.asked[-1]


@pytest.mark.parametrize(
    "status, body",
    [
        (200, lines({"stream": "Loaded image: a:1\n"}, {"stream": "Error unpacking image a:1: content digest not found\n"})),
        (200, lines({"status": "Loading layer"}, {"errorDetail": {"message": "invalid diffID"}, "error": "invalid diffID"})),
        (200, lines({"errorDetail": {"message": "invalid diffID"}})),
        (500, b'{"message":"open /data/tmp/layer.tar: no such file or directory"}'),
    ],
)
def test_an_archive_that_was_not_taken_is_refused(daemon, status, body):
    daemon.answers["/images/load"] = (status, body)
    with pytest.raises(LoadRefused, match=r"^Docker Engine did not load the image: ") as caught:
        Engine(daemon.url).load(iter([b"x"]))
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_no_reason_to_send_more(daemon):
    daemon.answers["/images/load"] = (200, lines({"error": "write /data/tmp/x: no space left on device"}))
    with pytest.raises(CognitiveError, match="ran out of room") as caught:
        Engine(daemon.url).load(iter([b"x"]))
    assert not isinstance(caught.value, LoadRefused)


def test_an_engine_that_stops_while_it_loads(daemon):
    daemon.drop = True
    with pytest.raises(CognitiveError, match=r"^Docker Engine broke off while it loaded an image") as caught:
        Engine(daemon.url).load(iter([b"x"]))
    assert not isinstance(caught.value, LoadRefused)


def test_an_archive_that_cannot_be_made_says_so_itself(daemon):
    def archive() -> t.Iterator[bytes]:
        yield b"x"
        raise CognitiveError("the blob is bad")

    with pytest.raises(CognitiveError, match=r"^the blob is bad$"):
        Engine(daemon.url).load(archive())


def test_no_engine(tmp_path):
    with pytest.raises(CognitiveError, match=r"^No Docker Engine answers at unix:///nonexistent.sock") as caught:
        Engine("unix:///nonexistent.sock")
    assert "\n" not in str(caught.value)


def test_the_two_stores(daemon):
    assert Engine(daemon.url).store == "classic"
    assert Engine(daemon.url).content_root == "/data"
    daemon.info["DriverStatus"] = CONTAINERD
    assert Engine(daemon.url).store == "containerd"
    assert Engine(daemon.url).content_root == "/var/lib/containerd"


def test_the_containerd_that_an_engine_starts_itself(daemon, tmp_path, monkeypatch):
    (tmp_path / "containerd" / "daemon").mkdir(parents=True)
    daemon.info.update(DriverStatus=CONTAINERD, DockerRootDir=str(tmp_path))
    monkeypatch.setattr("ansible_collections.airgap.cognitive.plugins.module_utils._engine._CONTAINERD_ROOT", str(tmp_path / "none"))
    assert Engine(daemon.url).content_root == str(tmp_path / "containerd" / "daemon")


def test_an_engine_behind_a_socket_is_local(daemon):
    assert Engine(daemon.url).local


def inspected(**more: t.Any) -> bytes:
    return json.dumps({"Id": "sha256:i", "RepoTags": ["a:1"], "RootFS": {"Layers": ["sha256:l"]}, "Os": "linux", "Architecture": "amd64", **more}).encode()


def test_an_image(daemon):
    daemon.answers["/images/a:1/json"] = (200, inspected())
    image = Engine(daemon.url).image("a:1")
    assert (image.id, image.tags, image.diff_ids, image.complete) == ("sha256:i", ("a:1",), ("sha256:l",), True)
    assert Engine(daemon.url).image("b:1") is None


@pytest.mark.parametrize("available", [True, False])
def test_newer_engines_are_asked_whether_an_image_is_complete(daemon, available):
    daemon.info["DriverStatus"] = CONTAINERD
    daemon.api_version = "1.48"
    proof = {"Kind": "attestation", "Available": not available}
    daemon.answers["/images/a:1/json"] = (200, inspected(Manifests=[{"Kind": "image", "Available": available}, proof]))
    assert Engine(daemon.url).image("a:1").complete is available
    assert "manifests=1" in daemon.asked[-1]
    assert Engine(daemon.url).image("b:1") is None
