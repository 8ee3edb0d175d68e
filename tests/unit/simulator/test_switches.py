# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path

import pytest
from simulator.switches import SWITCHES, Switches

README = Path(__file__).resolve().parents[2] / "simulator" / "README.md"


def test_defaults_are_positions() -> None:
    assert all(Switches({})[name] == switch.default for name, switch in SWITCHES.items())


def test_unknown_position_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"SIM_AFTER_DOWNLOAD: 'stay' is not a position; take one of exit, serve\."):
        Switches({"SIM_AFTER_DOWNLOAD": "stay"})


@pytest.mark.parametrize("value", ["", "-1", "soon", "nan", "inf"])
def test_number_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="SIM_READY_DELAY: .* is not a number from 0 on"):
        Switches({"SIM_READY_DELAY": value})


def test_misspelt_switch_is_refused() -> None:
    with pytest.raises(ValueError, match="SIM_REDY_DELAY: there is no such switch"):
        Switches({"SIM_REDY_DELAY": "1"})


def test_readme_has_every_switch_with_its_positions_and_default() -> None:
    rows = {}
    for line in README.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0].startswith("`SIM_"):
            rows[cells[0].strip("`")] = (tuple(re.findall(r"`([^`]+)`", cells[1])), cells[2].strip("`"))
    assert rows == {name: (switch.positions, switch.default) for name, switch in SWITCHES.items()}
