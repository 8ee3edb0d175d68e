# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils._directories import Directory, apply_directories, wanted_directories
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError


def own(path: str, mode: int = 0o750) -> Directory:
    return Directory(str(path), os.getuid(), mode)


def test_each_directory_is_wanted_once_and_parents_come_first():
    services = [
        {"root": "/r/a", "output_dir": "/r/a/output", "shared_dir": "/r/a/shared", "owner": 65532},
        {"root": "/r/b", "output_dir": "/r/a/output", "shared_dir": None, "owner": 65532},
    ]
    wanted = wanted_directories(services)
    assert [entry.path for entry in wanted] == ["/r/a", "/r/a/output", "/r/a/shared", "/r/b"]
    assert [entry.owner for entry in wanted] == [0, 65532, 65532, 0]


def test_ladder(tmp_path):
    wanted = [own(tmp_path / "deep" / "output")]
    check = apply_directories(wanted, check_mode=True)
    assert check["changed"] and not (tmp_path / "deep").exists()
    real = apply_directories(wanted, check_mode=False)
    assert real == check
    assert stat.S_IMODE((tmp_path / "deep" / "output").stat().st_mode) == 0o750
    again = apply_directories(wanted, check_mode=False)
    assert again == {"changed": False, "directories": [], "diff": {"before": {}, "after": {}}}


def test_another_mode_is_put_right_and_said(tmp_path):
    (tmp_path / "output").mkdir(mode=0o700)
    result = apply_directories([own(tmp_path / "output")], check_mode=False)
    assert "0700 and should be" in result["directories"][0]["reason"]
    assert stat.S_IMODE((tmp_path / "output").stat().st_mode) == 0o750


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "output").write_text("x")
    with pytest.raises(CognitiveError, match="output: a file is where a directory should be"):
        apply_directories([own(tmp_path / "output")], check_mode=True)
