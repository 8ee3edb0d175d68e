# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the bench shows must be right; what it measures is no matter of a test."""

from __future__ import annotations

import io
import tarfile

import data
import pytest
from bench import Bench, added
from place import Figures, median

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle


def figures(wall: float, host_memory: int | None = None, received: int | None = None) -> Figures:
    return Figures(wall, 1.0, 2.0, 10, host_memory, received, 5, {"of": wall})


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A small machine."""
    paths = []
    for number in range(5):
        path = tmp_path / f"file{number}"
        path.write_bytes(bytes([number]) * (number + 1) * 100)
        paths.append(str(path))
    monkeypatch.setattr(data, "pool", lambda: (paths, [(number + 1) * 100 for number in range(5)]))


def layer(seed: str, size: int) -> tuple[bytes, str]:
    target = io.BytesIO()
    digest = data.write_layer(target, seed, size)
    return target.getvalue(), digest


def test_a_layer_is_the_same_for_the_same_seed_and_has_the_size_that_was_asked_for(files):
    assert layer("one", 4000) == layer("one", 4000)
    assert layer("one", 4000)[1] != layer("two", 4000)[1]
    with tarfile.open(fileobj=io.BytesIO(layer("one", 4000)[0])) as archive:
        members = archive.getmembers()
    assert sum(member.size for member in members) == 4000
    assert len({member.name for member in members}) == len(members)


def test_a_bundle_is_read_and_shares_its_layers(files, tmp_path):
    data.write_bundle(tmp_path / "bundle", {"a:1": [("base", 500), ("a", 300)], "b:1": [("base", 500), ("b", 300)]})
    images = Bundle(str(tmp_path / "bundle")).images()
    assert [image["name"] for image in images] == [data.name_of("a:1"), data.name_of("b:1")]
    assert images[0]["layers"][0] == images[1]["layers"][0]
    assert len(list((tmp_path / "bundle" / "blobs" / "sha256").iterdir())) == 3 + 4


def test_medians_are_those_of_each_field():
    assert median([figures(3, 1, 7), figures(1, 2, 7), figures(2, 3, 7)])[:7] == (2, 1.0, 2.0, 10, 2, 7, 5)
    assert median([figures(1), figures(2, 5), figures(3)]).host_memory is None


def test_one_call_after_the_other_adds_times_and_takes_the_larger_peak():
    together = added(figures(1, 5, 100), figures(2, None, 50))
    assert together[:7] == (3, 2.0, 4.0, 10, 5, 150, 10)
    assert together.answer == {"of": 2}


@pytest.mark.parametrize(("ours", "met"), [(1.1, True), (1.2, False)])
def test_a_reach_is_met_or_not(ours, met):
    bench = Bench()
    bench.ratio("time", ours, 1.0, "peer", 1.15)
    bench.limit("bytes", ours, 1.15, "MB")
    assert [reach.met for reach in bench.reaches] == [met, met]


def test_the_tables_show_every_figure_and_verdict(capsys):
    bench = Bench()
    bench.figures.append(("row", "who", 3, figures(1.25, None, 2_000_000)))
    bench.limit("seconds", -0.1, 0.3, "s")
    bench.ratio("time", 2.0, 1.0, "peer", 1.15)
    bench.show()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["row", "who", "3", "1.2", "1.0", "2.0", "0.0", "2.0", "0.0"]
    assert [line.split()[-1] for line in lines[4:]] == ["met", "MET"]
    assert "NOT MET" in lines[-1]
