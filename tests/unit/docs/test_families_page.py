# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is run against what the documents print, family by family."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))

import documented
import families

# What a run here has more than a documented one: the terms, which are accepted each time, and where the license is.
_ALWAYS = {"eula", "mounts:license", "rai_terms"}


class Line:
    """A command line in its parts: options without regard to case and to how they are given, bare words, and directories of the container."""

    def __init__(self, words):
        words = list(words)[2:]
        self.flags, self.options, self.words, self.mounts = {}, {}, [], []
        image = next(index for index, word in enumerate(words) if word == "{IMAGE}" or word.startswith("azure-cognitive-services/"))
        head = words[:image]
        while head:
            flag = head.pop(0)
            value = "" if flag in ("--rm", "-it") else head.pop(0)
            if flag == "-e":
                self._option(value)
            elif flag == "-v":
                self.mounts.append(value.split(":")[1] if ":" in value else value)
            else:
                self.flags[flag] = value
        self.environment = dict(self.options)
        for word in words[image + 1 :]:
            if "=" in word:
                self._option(word)
            else:
                self.words.append(word)

    def _option(self, word):
        name, _equals, value = word.partition("=")
        self.options[name.lower()] = value


def pairs(name):
    family = families.CATALOGUE.get(name)
    ours = [*families.connected_runs(family), families.disconnected_run(family)]
    theirs = documented.commands_of(name)
    assert len(ours) == len(theirs)
    return [(Line(shlex.split(command)), Line(run)) for command, run in zip(theirs, ours)]


@pytest.mark.parametrize("name", families.CATALOGUE.names())
def test_a_disconnected_run_says_what_is_documented_and_no_more(name):
    theirs, ours = pairs(name)[-1]
    assert sorted(theirs.options) == sorted(ours.options)
    assert sorted(theirs.environment) == sorted(ours.environment)
    assert theirs.words == ours.words == []
    assert len(theirs.mounts) == len(ours.mounts)
    assert {mount for mount in theirs.mounts if mount.startswith("/")} <= set(ours.mounts)
    assert ("--gpus" in theirs.flags) == ("--gpus" in ours.flags)
    assert {"--memory", "--cpus", "-p"} <= set(ours.flags)
    assert not {"billing", "apikey"} & set(ours.options)


@pytest.mark.parametrize("name", families.CATALOGUE.names())
def test_a_connected_run_says_what_is_documented(name):
    for theirs, ours in pairs(name)[:-1]:
        assert set(theirs.options) <= set(ours.options)
        assert set(ours.options) - set(theirs.options) <= _ALWAYS | {"mounts:input"}
        assert theirs.words == ours.words
        assert {mount for mount in theirs.mounts if mount.startswith("/")} <= set(ours.mounts)
        # Values that are words of the documents, and not places for one's own.
        assert {name: value for name, value in theirs.options.items() if "{" not in value and value.lower() != ours.options[name].lower()} == {}


def test_the_page_is_the_catalogue():
    assert families.PAGE.read_text(encoding="utf-8") == families.page(), "write it with tests/docs/families.py"


def test_every_family_and_every_refused_one_is_on_the_page():
    text = families.page()
    for name in families.CATALOGUE.names():
        assert f"\n## {name}\n" in text
    for name in families.REFUSED:
        assert f"| `{name}` |" in text
