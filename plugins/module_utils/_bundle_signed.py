# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The signed documents of a bundle, proved before they are parsed, wherever they lie: in a bundle, in a volume, in a depot."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle, _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import Verifier

# What proves the blobs of a bundle; a depot keeps these of every bundle that it took in.
PROOF = (_bundle.CATALOGUE, _bundle.INDEX, _bundle.LIST, _bundle.SIGNATURE)

_ID = re.compile(r"[0-9a-f]{8,64}")
_AGAIN = "get it again from where the bundle was made"


class SignedBundle:
    """A bundle as its documents C(files) (content by name) describe it; C(where) is what they were read from.

    The signature of the list comes first; where it is not in order, nothing else is looked at.
    """

    def __init__(self, files: t.Mapping[str, bytes], where: str, verifier: Verifier) -> None:
        for name in (_bundle.LIST, _bundle.SIGNATURE):
            if name not in files:
                what = "has no list of its files" if name == _bundle.LIST else "is not signed"
                raise CognitiveError(f"{where} {what}: {name} is missing; {_AGAIN}.")
        self.where = where
        signatures = [files[name] for name in sorted(files, key=len) if _bundle.is_signature(name)]
        self.signers = verifier.verify_all(files[_bundle.LIST], signatures, f"{where}/{_bundle.LIST}")
        self.listed = _bundle.read_list(files[_bundle.LIST], f"{where}/{_bundle.LIST}")
        for name in (_bundle.CATALOGUE, _bundle.INDEX):
            if name not in files:
                raise CognitiveError(f"{where}/{name} is missing; {_AGAIN}.")
        for name in sorted(files):
            if name != _bundle.LIST and not _bundle.is_signature(name) and _bundle.checksum(files[name]) != self.listed.get(name):
                raise CognitiveError(f"{where}/{name} was altered: its checksum is not the one in the signed list; {_AGAIN}.")
        self.files = {name: content for name, content in files.items() if is_proof(name)}
        self.catalogue = _bundle.read_catalogue(files[_bundle.CATALOGUE], f"{where}/{_bundle.CATALOGUE}")
        self.id = check_id(self.catalogue.get("id"), f"{where}/{_bundle.CATALOGUE}")
        self._check_agreement(files[_bundle.INDEX])

    def _check_agreement(self, index: bytes) -> None:
        where = f"{self.where}/{_bundle.INDEX}"
        named = {digest for digest, _size in (_oci.descriptor_parts(entry, where) for entry in manifests_of(index, where))}
        keys = ("images", *_bundle.TREE_KEYS.values())
        said = {entry["manifest"] for key in keys for entry in _bundle.entries_of(self.catalogue, key, f"{self.where}/{_bundle.CATALOGUE}")}
        if said != named:
            raise CognitiveError(f"{self.where}/{_bundle.CATALOGUE} and {_bundle.INDEX} do not name the same content; {_AGAIN}.")

    @property
    def blobs(self) -> list[str]:
        """Digest of every blob that the list names, each named by its own checksum."""
        prefix = _bundle.BLOBS + "/"
        found = []
        for name, checksum in self.listed.items():
            if name.startswith(prefix):
                if name != prefix + checksum:
                    raise CognitiveError(f"{self.where}/{_bundle.LIST}: {name} is not named by its own checksum; {_AGAIN}.")
                found.append("sha256:" + checksum)
        return found


def is_proof(name: str) -> bool:
    """Whether a file of this name is one of the documents that prove the blobs of a bundle."""
    return name in PROOF or _bundle.is_signature(name)


def read_files(path: str) -> dict[str, bytes]:
    """The documents of the bundle in the directory C(path), as far as they are there."""
    names = sorted(name for name in os.listdir(path) if is_proof(name) or name == _bundle.LAYOUT)
    try:
        return {name: _bundle.read_document(os.path.join(path, name)) for name in names}
    except OSError as error:
        raise CognitiveError(f"{error.filename} cannot be read ({error.strerror}); {_AGAIN}, or see that this user may read it.") from error


def check_id(value: object, where: str) -> str:
    """C(value), if it is the id of a bundle; it becomes a directory's name, so nothing else may pass."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise CognitiveError(f"{where} has {str(value)[:80]!r} for the id of its bundle, which is none; {_AGAIN}.")
    return value


def manifests_of(index: bytes, where: str) -> list[dict[str, t.Any]]:
    """The descriptors in an C(index.json)."""
    entries = _oci.decode(index, where).get("manifests")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CognitiveError(f"{where} does not list manifests; {_AGAIN}.")
    return entries


def age(catalogue: t.Mapping[str, t.Any]) -> tuple[int, str, str]:
    """By what bundles are put in order, oldest first: their serial number where they have one, then when they were made."""
    serial = catalogue.get("serial")
    return (serial if isinstance(serial, int) else -1, str(catalogue.get("created", "")), str(catalogue.get("id", "")))
