# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Making a bundle, and bringing one up to date.

All that is new is written in a directory beside the bundle. Once everything is there, signed and proved to be complete, it is moved in:
blobs first, then the documents that name them, then what nobody names any more is taken away. So an export that fails leaves
the earlier bundle as it was, and one that is killed is mended by the next.
"""

from __future__ import annotations

import errno
import os
import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle, _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_blobs import BlobWriter
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_directory import BundleDirectory
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_tree import TreeSource
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._held import Need
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import Signer
from ansible_collections.airgap.cognitive.plugins.module_utils._source import Brought, WantedImage
from ansible_collections.airgap.cognitive.plugins.module_utils._terms import Terms

# An image that was committed from a configured container would carry its key into the bundle.
SECRETS = ("apikey", "api_key")


@dataclass
class _Content:
    images: list[_oci.Image] = field(default_factory=list)
    trees: list[_oci.Tree] = field(default_factory=list)

    def blobs(self) -> dict[str, int]:
        """Every blob that this names, with its size."""
        found: dict[str, int] = {}
        for image in self.images:
            found.update(_bundle.blobs_of(image))
        for tree in self.trees:
            found.update(_bundle.blobs_of_tree(tree))
        return found

    def outline(self) -> dict[str, t.Any]:
        """For diff mode."""
        return {
            "images": {image["name"]: image["source_id"] for image in self.images},
            "trees": {_title(tree): sorted(f"{file['path']} {file['digest']}" for file in tree["files"]) for tree in self.trees},
        }


class Export:
    """One export into one directory."""

    def __init__(
        self, directory: BundleDirectory, images: t.Sequence[WantedImage], trees: t.Sequence[TreeSource], signers: t.Sequence[Signer], prune: bool, terms: Terms
    ) -> None:
        self._directory = directory
        self._signers = signers
        self._terms = terms
        self._sources = list(trees)
        self._reasons: list[str] = []
        self._identities = {wanted.name: wanted.source.identity(wanted.name) for wanted in images}
        self._wanted = list({wanted.name: wanted for wanted in images}.values())
        self._left_out = self._find_left_out()
        self._before = self._read_before()
        self._check_trees()
        self._kept, self._to_save = self._split(prune)

    def _find_left_out(self) -> dict[str, str]:
        """What all targets have of what is wanted, by digest, with who says so."""
        hosts = {wanted.name: wanted.hosts for wanted in self._wanted}
        files: dict[str, set[str]] = {}
        for source in self._sources:
            for file in source.files:
                files.setdefault(file["digest"], set()).update(hosts.get(source.image, ()))
        return self._terms.held.left_out({name: Need(identity.diff_ids, hosts[name]) for name, identity in self._identities.items()}, files)

    def _is_there(self, digest: str, size: int) -> bool:
        """Whether the bundle has a blob, or is meant to be without it."""
        return digest in self._left_out or self._directory.size_of(digest) == size

    def _read_before(self) -> _Content:
        """What the bundle holds whole; what it does not is as if it were not there."""
        content = _Content()
        if self._directory.bundle is None:
            return content
        entries: list[tuple[str, t.Callable[[t.Mapping[str, t.Any]], t.Any], list[t.Any], t.Callable[[t.Any], dict[str, int]]]] = [
            ("images", self._directory.bundle.read_image, content.images, _bundle.blobs_of)
        ]
        entries += [(key, self._directory.bundle.read_tree, content.trees, _bundle.blobs_of_tree) for key in _bundle.TREE_KEYS.values()]
        for key, read, found, blobs in entries:
            for entry in self._directory.bundle.catalogue.get(key, []):
                try:
                    item = read(entry)
                except CognitiveError as error:
                    self._reasons.append(str(error))
                    continue
                lacking = [digest for digest, size in blobs(item).items() if not self._is_there(digest, size)]
                if lacking:
                    self._reasons.append(f"{entry.get('name') or _title(entry)} lacks blob {lacking[0]}")
                else:
                    found.append(item)
        return content

    def _check_trees(self) -> None:
        seen = set()
        for source in self._sources:
            if source.image not in self._identities:
                raise CognitiveError(f"{source.title}: its image {source.image} is not among the images of this export; they belong together, name it too.")
            source.check_image(self._identities[source.image])
            key = (source.kind, source.family, source.tag)
            if key in seen:
                raise CognitiveError(f"{source.title} is named twice; name each tree once.")
            seen.add(key)

    def _split(self, prune: bool) -> tuple[_Content, list[WantedImage]]:
        """What stays as the bundle has it, and which images must be brought."""
        kept, to_save = _Content(), []
        before = {image["name"]: image for image in self._before.images}
        # What is the same as in an earlier bundle is not read again to find that out.
        elsewhere = [image for image in self._terms.held.images if all(self._is_there(layer["digest"], layer["size"]) for layer in image["layers"])]
        for wanted in self._wanted:
            by_name = before.get(wanted.name)
            candidates = ([by_name] if by_name else []) + self._before.images
            held = next((image for image in candidates if wanted.source.is_same(wanted.name, image)), None)
            same = held or next((image for image in elsewhere if wanted.source.is_same(wanted.name, image)), None)
            if same is None:
                to_save.append(wanted)
                self._reasons.append(f"image {wanted.name} {'is another one now' if by_name else 'is not in the bundle'}")
            else:
                if held is None:
                    self._reasons.append(f"image {wanted.name} is not in the bundle")
                elif held is not by_name:
                    self._reasons.append(f"image {wanted.name} is in the bundle under another name")
                kept.images.append(t.cast(_oci.Image, {**same, "name": wanted.name, "family": wanted.family, "tag": wanted.tag}))
        wanted_trees = {(source.kind, source.family, source.tag) for source in self._sources}
        for image in self._before.images:
            if image["name"] not in self._identities:
                if prune:
                    self._reasons.append(f"image {image['name']} is not wanted any more")
                else:
                    kept.images.append(image)
        for tree in self._before.trees:
            if (tree["kind"], tree["family"], tree["tag"]) not in wanted_trees:
                if prune:
                    self._reasons.append(f"{_title(tree)} is not wanted any more")
                else:
                    kept.trees.append(tree)
        return kept, to_save

    def reasons(self) -> list[str]:
        """Why this export would write; empty where the bundle is as it should be."""
        reasons = list(self._reasons)
        saved = {wanted.name for wanted in self._to_save}
        before = {_title(tree): tree for tree in self._before.trees}
        images = {image["name"]: image for image in self._kept.images}
        for source in self._sources:
            held = before.get(_title(vars(source)))
            if held is None:
                reasons.append(f"{source.title} is not in the bundle")
            elif source.image not in saved and source.tree(images[source.image]["config"])["manifest"] != held["manifest"]:
                reasons.append(f"{source.title} is another one now")
        if not reasons:
            content = self._with_trees(self._kept, images)
            reasons = self._directory.faults(self._blobs(content), self._documents(content), self._signers)
        return reasons

    def difference(self) -> dict[str, t.Any]:
        """Before and after, for diff mode."""
        after = _Content(list(self._kept.images), list(self._kept.trees)).outline()
        for wanted in self._to_save:
            after["images"][wanted.name] = self._identities[wanted.name].id
        for source in self._sources:
            after["trees"][_title(vars(source))] = sorted(f"{file['path']} {file['digest']}" for file in source.files)
        return {"before": self._before.outline(), "after": after}

    def run(self) -> int:
        """Bring the bundle up to date; how many bytes that wrote."""
        # A key that cannot sign is found before an hour of saving, not after it.
        for signer in self._signers:
            signer.sign(b"")
        try:
            writer = BlobWriter(self._directory.stage(), self._is_there)
            content = _Content(list(self._kept.images), list(self._kept.trees))
            self._copy_documents(content.images, writer)
            content.images += self._bring(writer)
            content = self._with_trees(content, {image["name"]: image for image in content.images})
            for tree in content.trees:
                writer.put(_oci.EMPTY_BLOB)
                if self._directory.size_of(tree["manifest"]) is None:
                    writer.put(_oci.tree_manifest(tree))
            for source in self._sources:
                self._copy_files(source, writer)
            return self._directory.replace(self._blobs(content), self._documents(content), self._signers, writer)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise CognitiveError(f"No room is left where {self._directory.path} lies; make room, or export to another place. The earlier bundle is as it was.") from error
            raise CognitiveError(f"Bundle {self._directory.path} cannot be written ({error.strerror}: {error.filename}); see that this user may write there.") from error

    def _copy_documents(self, images: t.Sequence[_oci.Image], writer: BlobWriter) -> None:
        """Manifests and configs of images that are as an earlier bundle has them."""
        for twin in map(_oci.twin, images):
            if twin is not None and self._directory.size_of(_oci.digest_of(twin)) is None:
                writer.put(twin)
        for digest in [digest for image in images for digest in (image["manifest"], image["config"])]:
            if self._directory.size_of(digest) is None and writer.put(_bundle.read_document(self._terms.held.documents[digest])) != digest:
                raise CognitiveError(f"{self._terms.held.documents[digest]} was altered; get that bundle again from where it was made, or export without it.")

    def _bring(self, writer: BlobWriter) -> list[_oci.Image]:
        brought: list[_oci.Image] = []
        for source in dict.fromkeys(wanted.source for wanted in self._to_save):
            images = [wanted for wanted in self._to_save if wanted.source is source]
            found = source.bring([wanted.name for wanted in images], writer, self._known_layers())
            brought += [self._keep(wanted, image, writer) for wanted, image in zip(images, found)]
        return brought

    def _known_layers(self) -> list[_oci.Layer]:
        """Those that need not be read again."""
        left_out = [layer for layer in self._terms.held.layers.values() if layer["digest"] in self._left_out]
        return [layer for image in self._before.images for layer in image["layers"]] + left_out

    def _blobs(self, content: _Content) -> dict[str, int]:
        """The blobs that the bundle is to hold."""
        return {digest: size for digest, size in content.blobs().items() if digest not in self._left_out}

    def _keep(self, wanted: WantedImage, image: Brought, writer: BlobWriter) -> _oci.Image:
        _refuse_secrets(wanted.name, image.config)
        entry: _oci.Image = {
            "name": wanted.name,
            "family": wanted.family,
            "tag": wanted.tag,
            "platform": _oci.PLATFORM,
            "manifest": writer.put(image.manifest),
            "manifest_size": len(image.manifest),
            "manifest_media_type": image.media_type,
            "config": writer.put(image.config),
            "config_size": len(image.config),
            "layers": list(image.layers),
            "source": wanted.source.kind,
            "source_id": self._identities[wanted.name].id,
        }
        twin = _oci.twin(entry)
        if twin is not None:
            writer.put(twin)
        return entry

    def _with_trees(self, content: _Content, images: t.Mapping[str, _oci.Image]) -> _Content:
        made = [source.tree(images[source.image]["config"]) for source in self._sources]
        return _Content(sorted(content.images, key=lambda image: image["name"]), sorted(content.trees + made, key=_title))

    def _copy_files(self, source: TreeSource, writer: BlobWriter) -> None:
        for file in source.files:
            if self._is_there(file["digest"], file["size"]) or file["digest"] in writer.written:
                continue
            path = os.path.join(source.path, file["path"])
            with open(path, "rb") as stream:
                digest, _size = writer.copy(stream)
            if digest != file["digest"]:
                raise CognitiveError(f"{source.title}: {path} changed while it was exported; run the export again when nothing writes there.")

    def _documents(self, content: _Content) -> dict[str, bytes]:
        """All files of the bundle that are not blobs, list and signature."""
        images = [{key: value for key, value in image.items() if key != "layers"} for image in content.images]
        catalogue: dict[str, t.Any] = {"schema": _bundle.SCHEMA, "images": images}
        for kind, key in _bundle.TREE_KEYS.items():
            catalogue[key] = [{name: value for name, value in tree.items() if name not in ("files", "directories")} for tree in content.trees if tree["kind"] == kind]
        catalogue["series"] = self._terms.series
        absent = {digest: size for digest, size in content.blobs().items() if digest in self._left_out}
        if absent:
            catalogue["absent"] = [{"digest": digest, "size": absent[digest], "with": self._left_out[digest]} for digest in sorted(absent)]
            catalogue["against"] = self._terms.held.origins
        # The same content is the same bundle, whenever and by whichever version it is exported again.
        catalogue["id"] = _oci.digest_of(_oci.encode(catalogue)).partition(":")[2][:16]
        catalogue.update(self._terms.stamp(catalogue["id"], self._directory.bundle.catalogue if self._directory.bundle else {}))
        entries = [entry for image in content.images for entry in _oci.image_entries(image)] + [_oci.tree_entry(tree) for tree in content.trees]
        return {
            _bundle.CATALOGUE: _oci.encode(catalogue) + b"\n",
            _bundle.LAYOUT: _oci.LAYOUT,
            _bundle.INDEX: _oci.encode({"schemaVersion": 2, "mediaType": _oci.INDEX, "manifests": entries}),
        }


def _title(tree: t.Mapping[str, t.Any]) -> str:
    return f"{tree.get('kind')}/{tree.get('family')}/{tree.get('tag')}"


def _refuse_secrets(name: str, config: bytes) -> None:
    settings = _oci.decode(config, f"Config of {name}").get("config")
    if not isinstance(settings, dict):
        return
    for word in [*(settings.get("Env") or []), *(settings.get("Entrypoint") or []), *(settings.get("Cmd") or [])]:
        key, _equals, value = str(word).partition("=")
        if value and key.lstrip("-").lower() in SECRETS:
            raise CognitiveError(f"Image {name} has {key} set in its configuration, and a bundle never holds a key; export the image as it was pulled.")
