# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""A site's depot: a directory of the layout of a bundle that takes in every bundle by merging.

Whatever reads a bundle reads a depot. Below C(bundles) lie the signed documents of each bundle that came, as they came: they alone say
what the depot holds, so that C(bundle.json) and C(index.json) can be written anew from them at any time, whatever was cut off before.
Of two bundles' images or trees of one name the one of the newer bundle counts.
"""

from __future__ import annotations

import os
import shutil
import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle, _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_signed import PROOF, SignedBundle, age, manifests_of
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._locked_directory import LockedDirectory
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import write_beside

BUNDLES = "bundles"
INCOMING = "incoming"
WORK = ".merge"
DOCUMENTS = (_bundle.LAYOUT, _bundle.INDEX, _bundle.CATALOGUE)

_OURS = {*DOCUMENTS, "blobs", BUNDLES, INCOMING, WORK}
KEYS = {"image": "images", **_bundle.TREE_KEYS}


@dataclass(frozen=True)
class KeptBundle:
    """A bundle of which the depot has the signed documents, in the directory C(path)."""

    id: str
    path: str
    catalogue: dict[str, t.Any]

    def entries(self, key: str) -> list[dict[str, t.Any]]:
        """What it lists under C(key)."""
        return _bundle.entries_of(self.catalogue, key, os.path.join(self.path, _bundle.CATALOGUE))

    def manifests(self) -> list[dict[str, t.Any]]:
        """The descriptors of its C(index.json)."""
        where = os.path.join(self.path, _bundle.INDEX)
        return manifests_of(_bundle.read_document(where), where)

    def listed(self) -> set[str]:
        """Digest of every blob that its signed list names."""
        where = os.path.join(self.path, _bundle.LIST)
        return {"sha256:" + checksum for name, checksum in _bundle.read_list(_bundle.read_document(where), where).items() if name.startswith(_bundle.BLOBS)}


@dataclass
class Content:
    """An image or a tree that counts: what C(bundle) says of it, and which blobs of it the depot lacks (size by digest).

    C(item) is None where even the documents that describe it lack.
    """

    kind: str
    entry: dict[str, t.Any]
    bundle: KeptBundle
    item: t.Any
    blobs: dict[str, int] = field(default_factory=dict)
    lacking: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How it is called: an image by its name, a tree by family and tag."""
        return str(self.entry["name"] if self.kind == "image" else f"{self.entry['family']} {self.entry['tag']}")

    @property
    def reference(self) -> str:
        """How C(index.json) calls it."""
        return str(self.entry["name"] if self.kind == "image" else f"{self.kind}/{self.entry['family']}/{self.entry['tag']}")


class Depot(LockedDirectory):
    """The depot in the directory C(path), held by this process alone while in a C(with) block; C(write) makes it where it is not there."""

    def __init__(self, path: str, write: bool = False) -> None:
        super().__init__(path, write, "merge")
        self._staged = False

    def __enter__(self) -> Depot:
        self._enter(self.check, "Depot")
        return self

    def __exit__(self, *_error: object) -> None:
        if self._staged:
            shutil.rmtree(self.work, ignore_errors=True)
        self._release()

    @property
    def exists(self) -> bool:
        """Whether there is a directory."""
        return os.path.isdir(self.path)

    @property
    def work(self) -> str:
        """Where files wait until they are whole."""
        return os.path.join(self.path, WORK)

    def check(self) -> None:
        """Refuse a directory that is something else."""
        where = os.path.join(self.path, _bundle.CATALOGUE)
        if os.path.isfile(where):
            if Bundle(self.path).catalogue.get("depot") is not True:
                raise CognitiveError(f"{self.path} is a bundle and no depot; name an empty or new directory for the depot.")
            return
        foreign = sorted(set(os.listdir(self.path)) - _OURS)
        if foreign:
            raise CognitiveError(f"{os.path.join(self.path, foreign[0])} is not part of a depot; name an empty or new directory for the depot.")

    def stage(self) -> str:
        """An empty directory for what is to be moved in, and the places where it goes."""
        self._staged = True
        shutil.rmtree(self.work, ignore_errors=True)
        for directory in (self.work, os.path.join(self.path, _bundle.BLOBS), os.path.join(self.path, BUNDLES), os.path.join(self.path, INCOMING)):
            os.makedirs(directory, exist_ok=True)
        return self.work

    def blob_path(self, digest: str) -> str:
        """Where the blob C(digest) lies."""
        return os.path.join(self.path, _bundle.BLOBS, digest.rpartition(":")[2])

    def size_of(self, digest: str) -> int | None:
        """Size of a blob that is there as a plain file."""
        return _bundle.plain_size(self.blob_path(digest))

    def bundles(self) -> list[KeptBundle]:
        """Every bundle that was merged, the newest first."""
        root = os.path.join(self.path, BUNDLES)
        found = []
        for name in os.listdir(root) if os.path.isdir(root) else []:
            path = os.path.join(root, name)
            where = os.path.join(path, _bundle.CATALOGUE)
            if not os.path.isfile(where):
                raise CognitiveError(f"{where} is missing; take {path} away and merge that bundle again.")
            found.append(KeptBundle(name, path, _bundle.read_catalogue(_bundle.read_document(where), where)))
        return sorted(found, key=lambda bundle: age(bundle.catalogue), reverse=True)

    @property
    def pruned(self) -> dict[str, list[str]]:
        """By bundle, the manifests of what was taken out of the depot."""
        if not os.path.isfile(os.path.join(self.path, _bundle.CATALOGUE)):
            return {}
        found = Bundle(self.path).catalogue.get("pruned", {})
        return found if isinstance(found, dict) else {}

    def contents(self, pruned: t.Mapping[str, t.Sequence[str]] | None = None) -> list[Content]:
        """Every image and tree that counts, sorted, as if C(pruned) had been taken out."""
        found = choose(self.bundles(), self.pruned if pruned is None else pruned)
        for content in found:
            self.examine(content)
        return found

    def examine(self, content: Content) -> None:
        """Find out what C(content) is made of, and what of it lacks."""
        reader = Bundle(self.path)
        try:
            if content.kind == "image":
                content.item = reader.read_image(content.entry)
                content.blobs = _bundle.blobs_of(content.item)
            else:
                content.item = reader.read_tree(content.entry)
                content.blobs = _bundle.blobs_of_tree(content.item)
        except CognitiveError:
            described = [("manifest", "manifest_size"), *([("config", "config_size")] if content.kind == "image" else [])]
            content.blobs = {_oci.check_digest(content.entry.get(name), content.bundle.path): int(content.entry.get(size) or 0) for name, size in described}
        content.lacking = {digest: size for digest, size in content.blobs.items() if self.size_of(digest) != size}
        # Documents of the right size that cannot be read lack all the same.
        if content.item is None and not content.lacking:
            content.lacking = content.blobs

    def documents(self, contents: t.Sequence[Content], pruned: t.Mapping[str, t.Sequence[str]]) -> dict[str, bytes]:
        """The documents of the depot that holds C(contents)."""
        bundles = self.bundles()
        ids = {bundle.id for bundle in bundles}
        catalogue: dict[str, t.Any] = {"schema": _bundle.SCHEMA, "depot": True, "pruned": {name: sorted(gone) for name, gone in pruned.items() if name in ids and gone}}
        for kind, key in KEYS.items():
            # What cannot be described yet would make the whole catalogue unreadable.
            catalogue[key] = [{**content.entry, "bundle": content.bundle.id} for content in contents if content.kind == kind and content.item is not None]
        catalogue["id"] = _oci.digest_of(_oci.encode(catalogue)).partition(":")[2][:16]
        catalogue["created"] = max((str(bundle.catalogue.get("created", "")) for bundle in bundles), default="")
        catalogue["tool"] = _bundle.TOOL
        # By these a receipt says how far the site is.
        catalogue.update({key: bundle.catalogue[key] for bundle in bundles[:1] for key in ("series", "serial") if key in bundle.catalogue})
        # Other tools know no image that is only partly there.
        manifests = {bundle.id: bundle.manifests() for bundle in bundles}
        entries = [_index_entry(content, manifests[content.bundle.id]) for content in contents if not content.lacking]
        return {
            _bundle.LAYOUT: _oci.LAYOUT,
            _bundle.INDEX: _oci.encode({"schemaVersion": 2, "mediaType": _oci.INDEX, "manifests": entries}),
            _bundle.CATALOGUE: _oci.encode(catalogue) + b"\n",
        }

    def outdated(self, documents: t.Mapping[str, bytes]) -> list[str]:
        """Which of C(documents) are not as they should be."""
        found = []
        for name, content in documents.items():
            path = os.path.join(self.path, name)
            if not os.path.isfile(path) or _bundle.read_document(path) != content:
                found.append(name)
        return found

    def write_documents(self, pruned: t.Mapping[str, t.Sequence[str]]) -> None:
        """Bring the documents up to date."""
        documents = self.documents(self.contents(pruned), pruned)
        for name in self.outdated(documents):
            self.put(name, documents[name])
        self._sync("")

    def put(self, name: str, content: bytes) -> None:
        """Write the file C(name) of the depot whole or not at all."""
        beside = os.path.join(self.work, os.path.basename(name))
        write_beside(beside, content)
        os.replace(beside, os.path.join(self.path, name))

    def has(self, bundle: SignedBundle) -> bool:
        """Whether the depot has the documents of C(bundle), or of one with the same content that is as new."""
        path = os.path.join(self.path, BUNDLES, bundle.id)
        kept = next((kept for kept in self.bundles() if kept.id == bundle.id), None)
        if kept is None or age(kept.catalogue) < age(bundle.catalogue):
            return False
        return all(os.path.isfile(os.path.join(path, name)) for name in PROOF)

    def keep(self, bundle: SignedBundle) -> None:
        """Put the documents of C(bundle) where they belong, unless they are there."""
        if self.has(bundle):
            return
        beside = os.path.join(self.work, bundle.id)
        target = os.path.join(self.path, BUNDLES, bundle.id)
        shutil.rmtree(beside, ignore_errors=True)
        os.mkdir(beside)
        for name, content in bundle.files.items():
            write_beside(os.path.join(beside, name), content)
        if os.path.lexists(target):
            os.rename(target, beside + ".old")
        os.rename(beside, target)
        self._sync(BUNDLES)

    def move_in(self, beside: str, digest: str) -> None:
        """Give a blob that was proved and written C(beside) its place."""
        os.rename(beside, self.blob_path(digest))

    def tidy(self) -> None:
        """Take away parts of blobs that are whole by now, and parts that do not count."""
        directory = os.path.join(self.path, INCOMING)
        names = set(os.listdir(directory))
        for name in names:
            checksum = name.partition(".")[0]
            if os.path.lexists(self.blob_path(checksum)) or not {checksum, checksum + ".json"} <= names:
                os.unlink(os.path.join(directory, name))

    def sync_blobs(self) -> None:
        """Have it on the disk that blobs were moved in."""
        self._sync(_bundle.BLOBS)


def choose(bundles: t.Sequence[KeptBundle], pruned: t.Mapping[str, t.Sequence[str]]) -> list[Content]:
    """What counts of all that C(bundles), the newest first, list, less what was taken out; not looked into yet."""
    chosen: dict[tuple[str, str], Content] = {}
    for bundle in bundles:
        for kind, key in KEYS.items():
            for entry in bundle.entries(key):
                if entry["manifest"] not in pruned.get(bundle.id, ()):
                    content = Content(kind, entry, bundle, None)
                    chosen.setdefault((kind, content.name), content)
    images = {name: content.entry for (kind, name), content in chosen.items() if kind == "image"}
    found = []
    for _key, content in sorted(chosen.items(), key=lambda item: item[0]):
        image = images.get(str(content.entry.get("image")), {})
        # A license works with its own image only; of an image that is another one now it would be the wrong one.
        if content.kind != "license" or content.entry.get("config") == image.get("config", content.entry.get("config")):
            found.append(content)
    return found


def outline(contents: t.Iterable[Content]) -> dict[str, str]:
    """For diff mode: which bundle each of C(contents) came with."""
    return {f"{content.kind} {content.name}": content.bundle.id for content in contents}


def _index_entry(content: Content, manifests: t.Sequence[dict[str, t.Any]]) -> dict[str, t.Any]:
    """What the C(index.json) that C(content) came with says of it."""
    same = [entry for entry in manifests if entry.get("digest") == content.entry["manifest"]]
    named = [entry for entry in same if (entry.get("annotations") or {}).get(_oci.REF_NAME) == content.reference]
    return (named or same)[0]

