# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A staging machine's place with a depot beside it, and bundles made to measure."""

from __future__ import annotations

import json
import shutil
import typing as t
from pathlib import Path

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._depot import Content, Depot
from ansible_collections.airgap.cognitive.plugins.module_utils._depot_merge import Merge
from ansible_collections.airgap.cognitive.plugins.module_utils._depot_prune import Prune
from ansible_collections.airgap.cognitive.plugins.module_utils._depot_verify import verify_depot
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import SshVerifier
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_place import Place


class Site:
    """A depot, and what is done with it."""

    def __init__(self, place: Place, root: Path) -> None:
        self.place = place
        self.path = root / "depot"

    @property
    def verifier(self) -> SshVerifier:
        return SshVerifier(str(self.place.allowed))

    def merge(self, source: Path | None = None, check: bool = False, link: bool = False) -> tuple[list[str], int, list[str]]:
        """Run a merge; why it wrote, how much came in, and what was bad."""
        with Depot(str(self.path), write=not check) as depot:
            job = Merge(depot, str(source or self.place.path), self.verifier, link)
            reasons = job.reasons()
            taken = job.run() if reasons and not check else 0
        return reasons, taken, job.faults

    def prune(self, images: t.Collection[str] = (), bundles: int = 0, check: bool = False) -> Prune:
        """Run a prune."""
        with Depot(str(self.path)) as depot:
            job = Prune(depot, images, bundles)
            if job.reasons() and not check:
                job.run()
        return job

    def faults(self) -> list[str]:
        """What is wrong with the depot."""
        with Depot(str(self.path)) as depot:
            return verify_depot(depot, self.verifier).faults

    def contents(self) -> dict[str, Content]:
        """What is in it, by kind and name."""
        return {f"{content.kind} {content.name}": content for content in Depot(str(self.path)).contents()}

    @property
    def bundle(self) -> Bundle:
        """The depot as a bundle."""
        return Bundle(str(self.path))

    def blobs(self) -> set[str]:
        """Names of all blobs that are there."""
        return {path.name for path in (self.path / "blobs" / "sha256").iterdir()}


def copy_of(place: Place, target: Path, created: str | None = None, without: t.Collection[str] = (), **changes: t.Any) -> Path:
    """The bundle of C(place) as another one: other words in its catalogue, without some blobs, signed again."""
    shutil.copytree(place.path, target)
    for digest in without:
        (target / "blobs/sha256" / digest.partition(":")[2]).unlink()
    catalogue = json.loads((target / "bundle.json").read_bytes())
    if created is not None:
        catalogue["created"] = created
    catalogue.update(changes)
    (target / "bundle.json").write_text(json.dumps(catalogue))
    own, place.path = place.path, target
    place.sign()
    place.path = own
    return target
