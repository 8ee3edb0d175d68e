# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import build
import pytest
from simulator.profiles import PROFILES, TAGS


@pytest.fixture(autouse=True)
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("certificate")
    monkeypatch.setattr(build.ca, "ca_certificate", lambda: path)


def test_every_family_has_two_versions() -> None:
    assert set(TAGS) == set(PROFILES)
    assert all(len(set(tags)) == 2 for tags in TAGS.values())


def test_context_depends_on_the_inputs_alone() -> None:
    assert build.pack(build.context(PROFILES["sentiment"], "1")) == build.pack(build.context(PROFILES["sentiment"], "1"))


def test_versions_share_all_but_the_version() -> None:
    one, two = (build.context(PROFILES["sentiment"], tag) for tag in TAGS["sentiment"])
    assert {name for name in one if one[name] != two[name]} == {"version/image.json", "version/model-update.bin"}


@pytest.mark.parametrize(("other", "shared"), [("di-invoice", True), ("sentiment", False)])
def test_layout_and_invoice_share_a_model(other: str, shared: bool) -> None:
    layout, second = (build.context(PROFILES[family], "1")["model/model.bin"] for family in ("di-layout", other))
    assert (layout == second) is shared


def test_image_of_each_family() -> None:
    for profile in PROFILES.values():
        steps = build.dockerfile("base", profile)
        assert "USER nonroot" in steps
        assert "HEALTHCHECK" not in steps
        assert (f"EXPOSE {profile.port}" in steps) is (profile.family != "vision-read")
    assert "VOLUME /output" in build.dockerfile("base", PROFILES["language-detection"])
    assert "EXPOSE 5050" in build.dockerfile("base", PROFILES["di-invoice"])
    assert "ENV Mounts:Shared=/share" in build.dockerfile("base", PROFILES["vision-read"])
