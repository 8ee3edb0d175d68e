# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts of the container that end by themselves."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from simulator import __main__ as main
from simulator.__main__ import Container
from simulator.profiles import Image
from simulator.service import Service

Start = t.Callable[..., int]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Service]:
    """The services that started to serve; they end at once."""
    started: list[Service] = []

    def serve(_container: Container, service: Service) -> int:
        started.append(service)
        return 0

    monkeypatch.setattr(Container, "_serve", serve)
    return started


@pytest.fixture
def start(tmp_path: Path, served: list[Service]) -> Start:
    (tmp_path / "license").mkdir()
    (tmp_path / "output").mkdir()

    def run(*arguments: str, family: str = "sentiment", version: str = "3.0-en", **environment: str) -> int:
        mounts = [f"Mounts:License={tmp_path}/license", f"Mounts:Output={tmp_path}/output", f"Mounts:Models={tmp_path}/models"]
        return Container(Image(family, version), ["eula=accept", *mounts, *arguments], environment).run()

    return run


@pytest.fixture
def download(start: Start, endpoint: str) -> Start:
    return lambda *arguments, **more: start("DownloadLicense=True", f"billing={endpoint}", "apikey=good", *arguments, **more)


@pytest.mark.parametrize("arguments", [["eula=no"], ["Eula="]])
@pytest.mark.parametrize(("position", "code"), [("1", 1), ("0", 0)])
def test_eula(start: Start, capsys: pytest.CaptureFixture[str], arguments: list[str], position: str, code: int) -> None:
    assert start(*arguments, SIM_EULA_EXIT=position) == code
    assert capsys.readouterr().out.endswith("Eula must be accepted\n")


def test_image_past_its_time(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    assert start(SIM_IMAGE_EXPIRED="yes") == 1
    assert "This container image is expired" in capsys.readouterr().out


def test_download_then_run(download: Start, start: Start, served: list[Service], tmp_path: Path) -> None:
    assert download() == 0
    assert [path.name for path in (tmp_path / "license").iterdir()] == ["license.dat"]
    assert not served
    assert start() == 0
    assert served[0].status()[0] == "Valid"


def test_download_may_go_on_to_serve(download: Start, served: list[Service]) -> None:
    assert download(SIM_AFTER_DOWNLOAD="serve") == 0
    assert served[0].licensed()


@pytest.mark.parametrize(("position", "code", "serves"), [("exit", 1, False), ("exit-0", 0, False), ("stay", 0, True)])
def test_refused_download(
    download: Start, served: list[Service], tmp_path: Path, capsys: pytest.CaptureFixture[str], position: str, code: int, serves: bool
) -> None:
    assert download("apikey=bad", SIM_DOWNLOAD_REFUSED=position) == code
    assert bool(served) is serves
    assert not any((tmp_path / "license").iterdir())
    assert "Subscription validation failed with status 'Invalid'" in capsys.readouterr().out
    if serves:
        assert served[0].ready()[0] is False


def test_download_without_billing(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    assert start("DownloadLicense=True", "apikey=good") == 1
    assert "Invalid Billing Endpoint URI" in capsys.readouterr().out


def test_download_without_directory(download: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert download(f"Mounts:License={tmp_path}/none") == 1
    assert "The provided license path was not found" in capsys.readouterr().out


def test_download_into_a_directory_that_cannot_be_written(download: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(directory: Path, *_more: object) -> None:
        raise PermissionError(13, "Permission denied", f"{directory}/license.dat")

    monkeypatch.setattr(main, "write_license", deny)
    assert download() == 1
    assert "license.dat' is denied. Permission denied" in capsys.readouterr().out


def test_run_without_license(start: Start, served: list[Service], capsys: pytest.CaptureFixture[str]) -> None:
    assert start() == 1
    assert not served
    assert capsys.readouterr().out.endswith("Container does not have a valid disconnected container license\n")


def test_reason_is_told_by_switch(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    start(SIM_LICENSE_MESSAGE="reason")
    assert capsys.readouterr().out.endswith(" is empty.\n")


@pytest.mark.parametrize(("position", "ready"), [("unready", False), ("ready", True)])
def test_run_without_license_may_stay_up(start: Start, served: list[Service], position: str, ready: bool) -> None:
    assert start(SIM_BAD_LICENSE=position, SIM_READY_DELAY="0") == 0
    assert served[0].ready()[0] is ready
    assert served[0].status()[0] == "Invalid"


def test_other_version_of_the_image(download: Start, start: Start) -> None:
    assert download() == 0
    assert start(version="3.1-en") == 1


def test_run_without_output(download: Start, start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert download() == 0
    (tmp_path / "file").touch()
    assert start(f"Mounts:Output={tmp_path}/file") == 1
    assert "An output mount (Mounts:Output) that can be written is needed" in capsys.readouterr().out


def test_run_does_not_ask_the_endpoint(download: Start, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    assert download() == 0

    def ask(*_arguments: object) -> t.NoReturn:
        raise AssertionError("the endpoint was asked")

    monkeypatch.setattr(main, "request_license", ask)
    assert start("billing=http://127.0.0.1:9", "apikey=good") == 0


def test_models_come_first(download: Start, start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needed = {"SIM_MODELS": "download"}
    assert download(**needed) == 1
    assert "Run the container with DownloadModel=True first" in capsys.readouterr().out
    assert download("DownloadLicense=False", "DownloadModel=True", **needed) == 0
    assert not any((tmp_path / "license").iterdir())
    assert download(**needed) == 0
    assert start(**needed) == 0
    (next((tmp_path / "models").rglob("*.encrypted"))).write_bytes(b"")
    assert start(**needed) == 1


def test_model_download_that_goes_on_to_serve_is_never_ready(download: Start, served: list[Service]) -> None:
    assert download("DownloadLicense=False", "DownloadModel=True", SIM_AFTER_DOWNLOAD="serve", SIM_READY_DELAY="0") == 0
    assert served[0].ready()[0] is False


def test_disk_log(download: Start, start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert download() == 0
    assert start("Logging:Disk:Format=xml") == 1
    assert "Logging:Disk:Format: 'xml' is not json." in capsys.readouterr().out
    assert start("Logging:Disk:Format=json", HOSTNAME="h1") == 0
