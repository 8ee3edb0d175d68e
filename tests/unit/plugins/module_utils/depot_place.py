# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A staging machine's place with a depot beside it, and bundles made to measure."""

from __future__ import annotations

import json
import shutil
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._depot import Content, Depot
from ansible_collections.airgap.cognitive.plugins.module_utils._depot_merge import Merge
from ansible_collections.airgap.cognitive.plugins.module_utils._depot_prune import Prune
from ansible_collections.airgap.cognitive.plugins.module_utils._depot_verify import verify_depot
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import RememberingVerifier, SshSigner, SshVerifier
from ansible_collections.airgap.cognitive.plugins.module_utils._volume import END, header, padding
from ansible_collections.airgap.cognitive.plugins.module_utils._volumes import Cut, Volumes
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_place import BASE, K, Place
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_samples import SampleImage, layer_of


class Site:
    """A depot, and what is done with it."""

    def __init__(self, place: Place, root: Path) -> None:
        self.place = place
        self.path = root / "depot"
        self.notes: list[str] = []
        self.verifier = RememberingVerifier(SshVerifier(str(place.allowed)))

    def merge(self, source: Path | None = None, check: bool = False, link: bool = False) -> tuple[list[str], int, list[str]]:
        """Run a merge; why it wrote, how much came in, and what was bad."""
        with Depot(str(self.path), write=not check) as depot:
            job = Merge(depot, str(source or self.place.path), self.verifier, link)
            reasons = job.reasons()
            taken = job.run() if reasons and not check else 0
        self.notes = job.notes
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


def cut(place: Place, target: Path, size: int, numbers: t.Sequence[int] = (), key: Path | None = None) -> Volumes:
    """Cut the bundle into volumes in C(target)."""
    signer = SshSigner(str(key or place.key))
    job = Volumes(Cut(str(place.path), size, signer), str(target), numbers, signer)
    if any(job.reasons.values()):
        job.run()
    return job


def members_of(path: Path) -> list[tuple[str, bytes]]:
    """Names and contents of a volume, in order."""
    with tarfile.open(path) as archive:
        return [(member.name, t.cast(t.IO[bytes], archive.extractfile(member)).read()) for member in archive]


def write_members(path: Path, members: t.Iterable[tuple[str | tarfile.TarInfo, bytes]]) -> Path:
    """A tar of C(members), a name or a header of one's own each."""
    with path.open("wb") as target:
        for name, content in members:
            head = header(name, len(content)) if isinstance(name, str) else name.tobuf(tarfile.GNU_FORMAT)
            target.write(head + content + bytes(padding(len(content))))
        target.write(END)
    return path


def resign(place: Place, path: Path, change: t.Callable[[dict[str, t.Any]], t.Any]) -> Path:
    """A volume whose C(volume.json) somebody with the key changed."""
    members = members_of(path)
    document = json.loads(members[0][1])
    change(document)
    data = json.dumps(document).encode()
    return write_members(path, [("volume.json", data), ("volume.json.sig", SshSigner(str(place.key)).sign(data)), *members[2:]])


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Every file below C(root), with what changes when it is written."""
    return {str(path.relative_to(root)): (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in root.rglob("*") if not path.is_dir()}


def identity(path: Path) -> str:
    """Id of the bundle in C(path)."""
    return str(Bundle(str(path)).catalogue["id"])


def layers(path: Path, name: str) -> list[str]:
    """Digests of the layers of an image of the bundle in C(path)."""
    return [layer["digest"] for layer in Bundle(str(path)).image(name)["layers"]]


def newer(site: Site, name: str = K, word: str = "newer") -> Path:
    """The bundle once more with another image of one name, and the earlier one in the place that is returned."""
    earlier = site.place.root / f"before-{word}"
    shutil.copytree(site.place.path, earlier)
    site.place.engine.images[name] = SampleImage([BASE, layer_of(word)])
    site.place.write_record()
    site.place.export()
    return earlier


def refusal(call, *arguments, **options) -> str:
    """The one sentence with which a call ends."""
    with pytest.raises(CognitiveError) as error:
        call(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)
