# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""A bundle on disk, read: what it is made of, and what is inside.

Nothing here judges whether a bundle may be trusted: C(_bundle_verify) does, and comes first.
"""

from __future__ import annotations

import os
import re
import stat
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError

SCHEMA = 1
TOOL = "airgap.cognitive 0.1.0"

CATALOGUE = "bundle.json"
INDEX = "index.json"
LAYOUT = "oci-layout"
LIST = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.sig"
BLOBS = "blobs/sha256"

# bundle.json keeps each kind of tree under its own key.
TREE_KEYS = {"license": "licenses", "models": "models"}

# No document of a bundle comes near this; a list has a line of some 90 bytes for each file.
MAX_DOCUMENT = 64 << 20

_SIGNATURES = re.compile(re.escape(LIST) + r"(?:\.[1-9][0-9]?)?\.sig")
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


class Bundle:
    """What the bundle in the directory C(path) holds, by its own account."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._catalogue: dict[str, t.Any] | None = None

    @property
    def catalogue(self) -> dict[str, t.Any]:
        """C(bundle.json), read once."""
        if self._catalogue is None:
            where = os.path.join(self.path, CATALOGUE)
            if not os.path.isfile(where):
                raise CognitiveError(f"{self.path} is not a bundle: {CATALOGUE} is not there; name the directory that the export wrote.")
            self._catalogue = read_catalogue(read_document(where), where)
        return self._catalogue

    @property
    def summary(self) -> dict[str, t.Any]:
        """Identity and contents in a few words."""
        return {
            "id": self.catalogue.get("id", ""),
            "created": self.catalogue.get("created", ""),
            "tool": self.catalogue.get("tool", ""),
            **{key: self.catalogue[key] for key in ("series", "serial", "valid_until", "against") if key in self.catalogue},
            "images": [entry["name"] for entry in self._entries("images")],
            **{key: [f"{entry['family']} {entry['tag']}" for entry in self._entries(key)] for key in TREE_KEYS.values()},
        }

    @property
    def absent(self) -> dict[str, int]:
        """Size by digest of the blobs that were left out, because every target was known to have them."""
        found = self.catalogue.get("absent", [])
        where = os.path.join(self.path, CATALOGUE)
        return dict(_oci.descriptor_parts(entry, where) for entry in (found if isinstance(found, list) else [found]))

    def blob_path(self, digest: str) -> str:
        """Where the blob C(digest) lies."""
        return os.path.join(self.path, BLOBS, _oci.check_digest(digest, self.path).partition(":")[2])

    def images(self) -> list[_oci.Image]:
        """Every image, with its layers."""
        return [self.read_image(entry) for entry in self._entries("images")]

    def image(self, name: str) -> _oci.Image:
        """The image C(name)."""
        for entry in self._entries("images"):
            if entry["name"] == name:
                return self.read_image(entry)
        raise CognitiveError(f"Bundle {self.path} does not hold image {name}; export again with the service that needs it in the inventory.")

    def trees(self, kind: str | None = None) -> list[_oci.Tree]:
        """Every tree, or those of one kind, with its files."""
        return [self.read_tree(entry) for key in TREE_KEYS if kind in (None, key) for entry in self._entries(TREE_KEYS[key])]

    def _entries(self, key: str) -> list[dict[str, t.Any]]:
        return entries_of(self.catalogue, key, os.path.join(self.path, CATALOGUE))

    def read_image(self, entry: t.Mapping[str, t.Any]) -> _oci.Image:
        """The image of an entry of C(bundle.json)."""
        where = f"Image {entry['name']} in {self.path}"
        manifest, size = self._document(entry["manifest"], where)
        digest, config_size = _oci.descriptor_parts(manifest.get("config"), where)
        config, _size = self._document(digest, where)
        return {
            "name": entry["name"],
            "family": entry["family"],
            "tag": entry["tag"],
            "platform": str(entry.get("platform", _oci.PLATFORM)),
            "manifest": entry["manifest"],
            "manifest_size": size,
            "manifest_media_type": str(manifest.get("mediaType", _oci.MANIFEST)),
            "config": digest,
            "config_size": config_size,
            "layers": _oci.read_layers(manifest, config, where),
            "source": str(entry.get("source", "")),
            "source_id": str(entry.get("source_id", "")),
        }

    def read_tree(self, entry: t.Mapping[str, t.Any]) -> _oci.Tree:
        """The tree of an entry of C(bundle.json)."""
        where = f"{entry['kind'].capitalize()} of {entry['family']} {entry['tag']} in {self.path}"
        manifest, size = self._document(entry["manifest"], where)
        directories, files = _oci.read_files(manifest, where)
        return {
            "kind": entry["kind"],
            "family": entry["family"],
            "tag": entry["tag"],
            "image": str(entry.get("image", "")),
            "config": str(entry.get("config", "")),
            "manifest": entry["manifest"],
            "manifest_size": size,
            "downloaded": entry.get("downloaded"),
            "ends": entry.get("ends"),
            "directories": directories,
            "files": files,
            **_environment_of(entry),  # type: ignore[typeddict-item]
        }

    def _document(self, digest: str, where: str) -> tuple[dict[str, t.Any], int]:
        path = self.blob_path(digest)
        if not os.path.isfile(path):
            raise CognitiveError(f"{where}: blob {digest} is missing; get the bundle again from where it was made.")
        data = read_document(path)
        if _oci.digest_of(data) != digest:
            raise CognitiveError(f"{where}: blob {digest} was altered or cut short; get the bundle again from where it was made.")
        return _oci.decode(data, where), len(data)


def _environment_of(entry: t.Mapping[str, t.Any]) -> dict[str, dict[str, str]]:
    found = entry.get("environment")
    return {"environment": {str(name): str(value) for name, value in found.items()}} if isinstance(found, dict) and found else {}


def is_signature(name: str) -> bool:
    """Whether a file of this name is a signature of the list: the first signer's, or that of another one."""
    return _SIGNATURES.fullmatch(name) is not None


def signature_name(number: int) -> str:
    """Name of the signature of signer C(number), which begins with 1."""
    return SIGNATURE if number == 1 else f"{LIST}.{number}.sig"


def read_catalogue(data: bytes, where: str) -> dict[str, t.Any]:
    """The catalogue in C(data), if this version reads its schema."""
    found = _oci.decode(data, where)
    if found.get("schema") != SCHEMA:
        raise CognitiveError(f"{where} is of schema {found.get('schema')!r}, and this version of airgap.cognitive reads {SCHEMA}; use the version that made it.")
    return found


def entries_of(catalogue: t.Mapping[str, t.Any], key: str, where: str) -> list[dict[str, t.Any]]:
    """What a catalogue lists under C(key)."""
    entries = catalogue.get(key, [])
    needed = ("name", "family", "tag", "manifest") if key == "images" else ("kind", "family", "tag", "manifest")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and all(isinstance(entry.get(name), str) for name in needed) for entry in entries):
        raise CognitiveError(f"{where}: its list of {key} cannot be read; get the bundle again from where it was made.")
    return entries


def read_document(path: str) -> bytes:
    """A document of a bundle, unless it is larger than any can be."""
    with open(path, "rb") as source:
        data = source.read(MAX_DOCUMENT + 1)
    if len(data) > MAX_DOCUMENT:
        raise CognitiveError(f"{path} is larger than 64 MiB, and no document of a bundle is; get the bundle again from where it was made.")
    return data


def plain_size(path: str) -> int | None:
    """Size of C(path), None where no plain file is there."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def blobs_of(image: _oci.Image) -> dict[str, int]:
    """Digest and size of every blob of an image."""
    twin = _oci.twin(image)
    return {
        **({_oci.digest_of(twin): len(twin)} if twin else {}),
        image["manifest"]: image["manifest_size"],
        image["config"]: image["config_size"],
        **{layer["digest"]: layer["size"] for layer in image["layers"]},
    }


def blobs_of_tree(tree: _oci.Tree) -> dict[str, int]:
    """Digest and size of every blob of a tree."""
    return {
        tree["manifest"]: tree["manifest_size"],
        _oci.digest_of(_oci.EMPTY_BLOB): len(_oci.EMPTY_BLOB),
        **{file["digest"]: file["size"] for file in tree["files"]},
    }


def checksum(data: bytes) -> str:
    """SHA-256 of C(data) as the list has it."""
    return _oci.digest_of(data).partition(":")[2]


def write_list(files: t.Mapping[str, str]) -> bytes:
    """The list of C(files) (path: SHA-256 in hexadecimal) as C(sha256sum) writes and checks it."""
    return "".join(f"{files[path]}  {path}\n" for path in sorted(files)).encode()


def read_list(data: bytes, where: str) -> dict[str, str]:
    """What C(write_list) wrote; raises on everything else, above all on paths that lead out of the bundle."""
    files: dict[str, str] = {}
    text = data.decode("utf-8", errors="replace")
    if not text.endswith("\n"):
        raise CognitiveError(f"{where} ends within a line: it was cut short; get the bundle again from where it was made.")
    for number, line in enumerate(text[:-1].split("\n"), start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise CognitiveError(f"{where}: line {number} is not a checksum and a file name; get the bundle again from where it was made.")
        path = _oci.check_relative(match.group(2), f"{where}: line {number}")
        if path in files:
            raise CognitiveError(f"{where}: line {number} names {path} a second time; get the bundle again from where it was made.")
        files[path] = match.group(1)
    return files
