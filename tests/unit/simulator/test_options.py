# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from simulator.options import Options


@pytest.mark.parametrize("given", ["eula=accept", "Eula=accept", "EULA=accept"])
def test_case_of_a_key_does_not_matter(given: str) -> None:
    assert Options([given], {}).get("Eula") == "accept"


@pytest.mark.parametrize("name", ["Mounts:License", "Mounts__License", "MOUNTS__LICENSE"])
def test_environment_may_nest_with_colon_or_underscores(name: str) -> None:
    assert Options([], {name: "/x"}).get("Mounts:License") == "/x"


def test_arguments_win_over_environment() -> None:
    assert Options(["billing=b"], {"Billing": "a"}).get("Billing") == "b"
    assert Options(["Mounts:Output=/b"], {"Mounts__Output": "/a"}).get("mounts:output") == "/b"


def test_value_may_hold_equals_signs() -> None:
    assert Options(["apikey=abc=="], {}).get("ApiKey") == "abc=="


def test_bare_words_are_kept_and_are_no_keys() -> None:
    options = Options(["downloadmodel", "=x", "a=b"], {})
    assert options.words == ["downloadmodel", "=x"]
    assert not options.flag("downloadmodel")


def test_blank_value_is_as_none_at_all() -> None:
    assert Options(["Mounts:Output= "], {}).get("Mounts:Output", "/output") == "/output"


@pytest.mark.parametrize(("value", "expected"), [("True", True), ("true", True), ("False", False), ("1", False), ("", False)])
def test_flag(value: str, expected: bool) -> None:
    assert Options([f"DownloadLicense={value}"], {}).flag("DownloadLicense") is expected
