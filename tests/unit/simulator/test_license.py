# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import os
import zlib
from pathlib import Path

import pytest
from positions import SwitchesAt
from simulator import license as licenses
from simulator.license import License, LicenseProblem, check_license, write_license

GRANTED = License("sentimentonnx", "3.0-en", expires=2000)
NAMES = ("license.dat", "guid", "nested", "hidden", "spaces")


def check(
    directory: Path, switches: SwitchesAt, service: str = "sentimentonnx", version: str = "3.0-en", model: str = "", now: float = 1000, **positions: str
) -> License:
    return check_license(directory, service, version, model, now, switches(**positions))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("form", ["base64", "binary", "json"])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_accepted(tmp_path: Path, switches: SwitchesAt, name: str, form: str, count: int) -> None:
    names = write_license(tmp_path, GRANTED, switches(LICENSE_NAME=name, LICENSE_FORMAT=form, LICENSE_FILES=count))
    assert len(set(names)) == count
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()) == sorted(names)
    assert check(tmp_path, switches) == GRANTED


def refused(reason: str) -> pytest.RaisesExc[LicenseProblem]:
    return pytest.raises(LicenseProblem, check=lambda problem: reason in problem.reason and str(problem) in (licenses.NOT_VALID, licenses.NOT_FOUND))


def test_missing_directory_has_its_own_words(tmp_path: Path, switches: SwitchesAt) -> None:
    with pytest.raises(LicenseProblem, match="The provided license path was not found"):
        check(tmp_path / "none", switches)


def test_empty_directory(tmp_path: Path, switches: SwitchesAt) -> None:
    with refused("is empty"):
        check(tmp_path, switches)


def test_other_service(tmp_path: Path, switches: SwitchesAt) -> None:
    write_license(tmp_path, GRANTED, switches())
    with refused("it is for sentimentonnx, this is keyphrase"):
        check(tmp_path, switches, service="keyphrase")


def test_other_version_is_refused_unless_the_switch_allows(tmp_path: Path, switches: SwitchesAt) -> None:
    write_license(tmp_path, GRANTED, switches())
    with refused("it was taken with version 3.0-en, this is 3.1-en"):
        check(tmp_path, switches, version="3.1-en")
    assert check(tmp_path, switches, version="3.1-en", LICENSE_BINDING="family") == GRANTED


def test_license_ends_at_its_very_second(tmp_path: Path, switches: SwitchesAt) -> None:
    write_license(tmp_path, GRANTED, switches())
    assert check(tmp_path, switches, now=1999.9) == GRANTED
    with refused("it ended at 1970-01-01 00:33:20 UTC"):
        check(tmp_path, switches, now=2000)


def test_other_models(tmp_path: Path, switches: SwitchesAt) -> None:
    write_license(tmp_path, License("sentimentonnx", "3.0-en", 2000, "abc"), switches())
    with refused("other models"):
        check(tmp_path, switches, model="abd")


@pytest.mark.parametrize("form", ["base64", "binary", "json"])
def test_every_altered_byte_is_found(tmp_path: Path, switches: SwitchesAt, form: str) -> None:
    (name,) = write_license(tmp_path, GRANTED, switches(LICENSE_FORMAT=form))
    path = tmp_path / name
    good = path.read_bytes()
    for index in range(len(good)):
        path.write_bytes(good[:index] + bytes([good[index] ^ 1]) + good[index + 1 :])
        with refused("was altered"):
            check(tmp_path, switches)
    path.write_bytes(good)
    assert check(tmp_path, switches) == GRANTED


@pytest.mark.parametrize("form", ["base64", "binary", "json"])
@pytest.mark.parametrize("suffix", [b"\n", b" ", b"\0"])
def test_added_bytes_are_found(tmp_path: Path, switches: SwitchesAt, form: str, suffix: bytes) -> None:
    (name,) = write_license(tmp_path, GRANTED, switches(LICENSE_FORMAT=form))
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + suffix)
    with refused("was altered"):
        check(tmp_path, switches)


def test_forged_end_is_found(tmp_path: Path, switches: SwitchesAt) -> None:
    (name,) = write_license(tmp_path, GRANTED, switches())
    text = zlib.decompress(base64.b64decode((tmp_path / name).read_bytes())).replace(b"2000", b"9000")
    (tmp_path / name).write_bytes(base64.encodebytes(zlib.compress(text)))
    with refused("was altered"):
        check(tmp_path, switches)


@pytest.mark.parametrize("name", NAMES)
def test_renamed_file_is_found(tmp_path: Path, switches: SwitchesAt, name: str) -> None:
    (written,) = write_license(tmp_path, GRANTED, switches(LICENSE_NAME=name))
    (tmp_path / written).rename(tmp_path / "other.dat")
    with refused("was renamed from"):
        check(tmp_path, switches)


def test_missing_part_is_found(tmp_path: Path, switches: SwitchesAt) -> None:
    names = write_license(tmp_path, GRANTED, switches(LICENSE_FILES=3))
    (tmp_path / names[1]).unlink()
    with refused("not the files of one license"):
        check(tmp_path, switches)


def test_parts_of_two_licenses_are_found(tmp_path: Path, switches: SwitchesAt) -> None:
    write_license(tmp_path, GRANTED, switches(LICENSE_NAME="guid"))
    write_license(tmp_path, GRANTED, switches(LICENSE_NAME="guid"))
    with refused("not the files of one license"):
        check(tmp_path, switches)


def test_foreign_file_is_found(tmp_path: Path, switches: SwitchesAt) -> None:
    write_license(tmp_path, GRANTED, switches())
    (tmp_path / "README").write_text("note")
    with refused("README was altered"):
        check(tmp_path, switches)


def test_directory_that_cannot_be_written_is_refused_by_switch(tmp_path: Path, switches: SwitchesAt, monkeypatch: pytest.MonkeyPatch) -> None:
    write_license(tmp_path, GRANTED, switches())

    def deny(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "touch", deny)
    assert check(tmp_path, switches) == GRANTED
    with pytest.raises(LicenseProblem, match="is denied"):
        check(tmp_path, switches, LICENSE_READONLY="refuse")


def test_mode_is_that_of_the_switch(tmp_path: Path, switches: SwitchesAt) -> None:
    (name,) = write_license(tmp_path, GRANTED, switches(LICENSE_MODE="0400"))
    assert os.stat(tmp_path / name).st_mode & 0o777 == 0o400
