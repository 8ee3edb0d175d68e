# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.airgap.cognitive.plugins.plugin_utils._table import render_table


def test_nothing_to_say_prints_nothing():
    assert render_table("Title", ["a"], []) == ""


def test_columns_are_as_wide_as_their_cells_and_missing_keys_are_blank():
    text = render_table("Title", ["host", "api_status"], [{"host": "edge1", "api_status": "Valid"}, {"host": "e2"}])
    assert text.splitlines() == ["Title", "", "host   api status", "-----  ----------", "edge1  Valid", "e2"]


def test_the_last_column_wraps_under_itself():
    text = render_table("T", ["a", "b"], [{"a": "x", "b": "word " * 10}], width=25)
    lines = text.splitlines()[4:]
    assert len(lines) == 3
    assert all(line.startswith("   word") for line in lines[1:])
    assert all(len(line) <= 25 for line in lines)


def test_values_are_written_for_people():
    assert render_table("T", ["a", "b", "c"], [{"a": True, "b": None, "c": "x\ny"}]).splitlines()[-1] == "yes     x y"


def test_notes_stand_below():
    assert render_table("T", ["a"], [], ["first", "second"]).splitlines() == ["T", "", "- first", "- second"]
