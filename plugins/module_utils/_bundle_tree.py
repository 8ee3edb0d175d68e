# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""A license or model directory on the connected side, looked through and judged before it goes into a bundle."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError

BLOCK = 1 << 20


class ImageIdentity(t.Protocol):
    """What tells one image from another of the same name."""

    @property
    def id(self) -> str:
        """What its source calls it."""

    @property
    def engine_ids(self) -> tuple[str, ...]:
        """What an engine that has it may call it."""

    @property
    def repo_digests(self) -> tuple[str, ...]:
        """By which digests registries know it."""

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """Its uncompressed layers, base first."""


class TreeSource:
    """One directory that is to go into a bundle, with the record that was kept beside it when it was downloaded."""

    def __init__(self, kind: str, family: str, tag: str, image: str, path: str, metadata: str | None) -> None:
        self.kind = kind
        self.family = family
        self.tag = tag
        self.image = image
        self.path = path
        self.record = self._read_record(metadata)
        self.directories, self.files = scan(path, self.title)
        self._check_record()

    @property
    def title(self) -> str:
        """For messages."""
        return f"{'License' if self.kind == 'license' else 'Models'} of {self.family} {self.tag}"

    def _read_record(self, path: str | None) -> dict[str, t.Any]:
        if not path or (self.kind == "models" and not os.path.exists(path)):
            if self.kind == "license":
                raise CognitiveError(f"{self.title}: no metadata file is named; name the file that license_download wrote beside the directory.")
            return {}
        try:
            with open(path, "rb") as source:
                record = json.load(source)
        except FileNotFoundError as error:
            raise CognitiveError(f"{self.title}: metadata file {path} is not there; take the license again with license_download.") from error
        except (OSError, ValueError, RecursionError) as error:
            raise CognitiveError(f"{self.title}: metadata file {path} cannot be read ({error}); take the license again with license_download.") from error
        if not isinstance(record, dict) or not isinstance(record.get("files"), dict):
            raise CognitiveError(f"{self.title}: metadata file {path} does not list files; take the license again with license_download.")
        return record

    def _check_record(self) -> None:
        if not self.files:
            raise CognitiveError(f"{self.title}: directory {self.path} holds no file; download it again.")
        if not self.record:
            return
        if self.record.get("family") != self.family:
            raise CognitiveError(f"{self.title}: {self.path} was downloaded for family {self.record.get('family')}; name the directory of {self.family}.")
        listed = self.record["files"]
        for path in sorted(set(listed) | {file["path"] for file in self.files}):
            self._check_file(path, listed.get(path))

    def _check_file(self, path: str, listed: t.Any) -> None:
        found = next((file for file in self.files if file["path"] == path), None)
        if found is None:
            problem = "is missing"
        elif not isinstance(listed, dict):
            problem = "was not part of the download"
        elif listed.get("sha256") != found["digest"].partition(":")[2] or listed.get("size") != found["size"]:
            problem = "was altered after the download"
        else:
            return
        raise CognitiveError(f"{self.title}: file {path} in {self.path} {problem}; take it again with license_download (force: true).")

    def check_image(self, image: ImageIdentity) -> None:
        """Refuse a license that was taken with another image than the one that goes out with it."""
        if self.kind != "license":
            return
        taken_with = str(self.record.get("image_id", ""))
        same_content = self.record.get("diff_ids") == list(image.diff_ids) and set(self.record.get("repo_digests") or ()) & set(image.repo_digests)
        # The ID of one image differs between the two image stores of an engine; layers and registry digest do not.
        if taken_with not in image.engine_ids and not same_content:
            raise CognitiveError(
                f"{self.title} was taken with image {taken_with or 'of unknown ID'}, but {self.image} is now {image.id}; "
                "a license works only with its own image: take it again with license_download."
            )

    def tree(self, config: str) -> _oci.Tree:
        """The tree as the bundle will hold it, for the image whose config is C(config)."""
        tree: _oci.Tree = {
            "kind": self.kind,
            "family": self.family,
            "tag": self.tag,
            "image": self.image,
            "config": config,
            "manifest": "",
            "manifest_size": 0,
            # Only these leave the record: what else may be in it stays on this machine.
            "downloaded": _text(self.record.get("downloaded")),
            "ends": _text(self.record.get("ends")),
            "directories": self.directories,
            "files": self.files,
        }
        if self.kind == "license" and isinstance(self.record.get("environment"), dict):
            tree["environment"] = {str(name): str(value) for name, value in self.record["environment"].items()}
        manifest = _oci.tree_manifest(tree)
        tree["manifest"] = _oci.digest_of(manifest)
        tree["manifest_size"] = len(manifest)
        return tree


def scan(root: str, title: str) -> tuple[list[str], list[_oci.File]]:
    """Directories and files below C(root), sorted; anything else is refused, because it would not arrive as it is."""
    if not os.path.isdir(root):
        raise CognitiveError(f"{title}: directory {root} is not there; download it first.")
    directories: list[str] = []
    files: list[_oci.File] = []

    def refuse(error: OSError) -> None:
        raise CognitiveError(f"{title}: {error.filename} cannot be read ({error.strerror}); run the export as a user who may (become: true).") from error

    for parent, names, leaves in os.walk(root, onerror=refuse):
        for name in names + leaves:
            path = os.path.join(parent, name)
            relative = os.path.relpath(path, root)
            mode = os.lstat(path).st_mode
            if stat.S_ISDIR(mode):
                directories.append(relative)
            elif stat.S_ISREG(mode):
                files.append(_checksum(path, relative, refuse))
            else:
                raise CognitiveError(f"{title}: {path} is neither a file nor a directory; a bundle holds nothing else, take it away.")
            try:
                relative.encode()
            except UnicodeEncodeError as error:
                raise CognitiveError(f"{title}: the name of {path!r} is not valid UTF-8; rename it.") from error
    return sorted(directories), sorted(files, key=lambda file: file["path"])


def _checksum(path: str, relative: str, refuse: t.Callable[[OSError], None]) -> _oci.File:
    hashed = hashlib.sha256()
    size = 0
    try:
        with open(path, "rb") as source:
            for block in iter(lambda: source.read(BLOCK), b""):
                hashed.update(block)
                size += len(block)
    except OSError as error:
        refuse(error)
    return {"path": relative, "digest": "sha256:" + hashed.hexdigest(), "size": size}


def _text(value: object) -> str | None:
    return None if value is None else str(value)
