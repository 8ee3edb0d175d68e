# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Judging a bundle: list and signature before anything else is looked at, then every file, then what the documents say.

Each fault is one sentence. A list that nobody may have signed ends it at once: nothing that it names is opened.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import stat
import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle, _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import Verifier

BLOCK = 1 << 20
THREADS = 4

_AGAIN = "get it again from where the bundle was made"


@dataclass
class Verdict:
    """What was found."""

    signers: list[str]
    files: int = 0
    size: int = 0
    faults: list[str] = field(default_factory=list)


def verify(path: str, verifier: Verifier) -> Verdict:
    """Judge the bundle in the directory C(path)."""
    if not os.path.isdir(path):
        raise CognitiveError(f"Bundle {path} is not there; name the directory that the export wrote.")
    data = _signed_list(path)
    verdict = Verdict(verifier.verify_all(data, _signatures(path), os.path.join(path, _bundle.LIST)))
    listed = _bundle.read_list(data, os.path.join(path, _bundle.LIST))
    present = _present(path, verdict)
    for name in sorted(name for name, size in present.items() if size is not None and name not in {*listed, _bundle.LIST} and not _bundle.is_signature(name)):
        verdict.faults.append(f"{os.path.join(path, name)} is not in the signed list; it does not belong to the bundle, take it away.")
    wrong = _compare(path, listed, present, verdict)
    whole = {name for name in listed if present.get(name) is not None and name not in wrong}
    try:
        sizes = _described_sizes(path, whole)
        # What a difference bundle left out is no fault, and the signature covers the list of it.
        left_out = {_blob(digest) for digest in Bundle(path).absent} - listed.keys() if _bundle.CATALOGUE in whole else set()
        sizes = {name: size for name, size in sizes.items() if name not in left_out}
    except CognitiveError as error:
        verdict.faults.append(str(error))
        return verdict
    _report(path, listed, present, wrong, sizes, verdict)
    if not verdict.faults:
        _check_documents(path, verdict)
    return verdict


def _signatures(path: str) -> list[bytes]:
    return [_read(path, name) for name in sorted(os.listdir(path), key=len) if _bundle.is_signature(name)]


def _signed_list(path: str) -> bytes:
    for name in (_bundle.LIST, _bundle.SIGNATURE):
        if not os.path.isfile(os.path.join(path, name)):
            what = "has no list of its files" if name == _bundle.LIST else "is not signed"
            raise CognitiveError(f"Bundle {path} {what}: {name} is missing; {_AGAIN}.")
    return _read(path, _bundle.LIST)


def _read(path: str, name: str) -> bytes:
    try:
        return _bundle.read_document(os.path.join(path, name))
    except OSError as error:
        raise CognitiveError(f"{os.path.join(path, name)} cannot be read ({error.strerror}); {_AGAIN}, or see that this user may read it.") from error


def _present(path: str, verdict: Verdict) -> dict[str, int | None]:
    """Every plain file below C(path) and its size; what is neither file nor directory is a fault, and has no size."""
    found: dict[str, int | None] = {}

    def refuse(error: OSError) -> None:
        raise CognitiveError(f"{error.filename} cannot be read ({error.strerror}); see that this user may read the bundle.") from error

    for parent, names, leaves in os.walk(path, onerror=refuse):
        for name in names + leaves:
            full = os.path.join(parent, name)
            entry = os.lstat(full)
            if stat.S_ISREG(entry.st_mode):
                found[os.path.relpath(full, path)] = entry.st_size
            elif not stat.S_ISDIR(entry.st_mode):
                found[os.path.relpath(full, path)] = None
                verdict.faults.append(f"{full} is a link or a device; a bundle holds plain files only, do not use this one.")
    return found


def _compare(path: str, listed: t.Mapping[str, str], present: t.Mapping[str, int | None], verdict: Verdict) -> dict[str, str]:
    """Read every listed file that is there; those that are not as the list says, with what is wrong."""
    wrong: dict[str, str] = {}
    names = [name for name in listed if present.get(name) is not None]
    with concurrent.futures.ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        for name, found in zip(names, pool.map(_checksum, [os.path.join(path, name) for name in names])):
            verdict.files += 1
            verdict.size += present[name] or 0
            if isinstance(found, OSError):
                wrong[name] = f"cannot be read ({found.strerror}); copy it again, or use another medium."
            elif found != listed[name]:
                wrong[name] = f"was altered: its checksum is not the one in the signed list; {_AGAIN}."
            elif name.startswith(_bundle.BLOBS + "/") and name != f"{_bundle.BLOBS}/{found}":
                wrong[name] = f"is not named by its own checksum; {_AGAIN}."
    return wrong


def _report(
    path: str, listed: t.Mapping[str, str], present: t.Mapping[str, int | None], wrong: t.Mapping[str, str], sizes: t.Mapping[str, int], verdict: Verdict
) -> None:
    """A sentence for every file that lacks or is not as it should be."""
    for name in sorted({*listed, *sizes, _bundle.LAYOUT, _bundle.INDEX, _bundle.CATALOGUE}):
        full, size = os.path.join(path, name), sizes.get(name)
        if name not in present:
            verdict.faults.append(f"{full}{f' ({size} bytes)' if size is not None else ''} is missing; {_AGAIN}.")
        elif size is not None and present[name] is not None and present[name] != size:
            verdict.faults.append(f"{full} has {present[name]} bytes and should have {size}; {_AGAIN}.")
        elif name in wrong:
            verdict.faults.append(f"{full} {wrong[name]}")


def _checksum(path: str) -> str | OSError:
    hashed = hashlib.sha256()
    buffer = bytearray(BLOCK)
    view = memoryview(buffer)
    try:
        with open(path, "rb", buffering=0) as source:
            count = source.readinto(buffer)
            while count:
                hashed.update(view[:count])
                count = source.readinto(buffer)
    except OSError as error:
        return error
    return hashed.hexdigest()


def _described_sizes(path: str, whole: t.Collection[str]) -> dict[str, int]:
    """What the documents that are whole say of the sizes of blobs."""
    sizes: dict[str, int] = {}
    if _bundle.INDEX not in whole:
        return sizes
    pending = [_oci.decode(_read(path, _bundle.INDEX), _bundle.INDEX)]
    while pending:
        document = pending.pop()
        for entry in _descriptors(document):
            digest, size = _oci.descriptor_parts(entry, os.path.join(path, _bundle.INDEX))
            name = _blob(digest)
            if name in sizes:
                continue
            sizes[name] = size
            if name in whole and entry.get("mediaType") in _oci.MANIFESTS:
                pending.append(_oci.decode(_read(path, name), name))
    return sizes


def _descriptors(document: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    entries = [*(document.get("manifests") or []), *(document.get("layers") or []), document.get("config")]
    return [entry for entry in entries if isinstance(entry, dict)]


def _check_documents(path: str, verdict: Verdict) -> None:
    """The documents, which are what was signed, must also be what a bundle needs, and say the same."""
    try:
        layout = _oci.decode(_read(path, _bundle.LAYOUT), os.path.join(path, _bundle.LAYOUT))
        if layout.get("imageLayoutVersion") != "1.0.0":
            verdict.faults.append(f"{os.path.join(path, _bundle.LAYOUT)} is not of OCI image layout 1.0.0; {_AGAIN}.")
        index = _oci.decode(_read(path, _bundle.INDEX), os.path.join(path, _bundle.INDEX))
        bundle = Bundle(path)
        images = bundle.images()
        twins = [twin for twin in map(_oci.twin, images) if twin is not None]
        said = {image["manifest"] for image in images} | {_oci.digest_of(twin) for twin in twins} | {tree["manifest"] for tree in bundle.trees()}
        if said != {_oci.descriptor_parts(entry, _bundle.INDEX)[0] for entry in index.get("manifests") or []}:
            verdict.faults.append(f"{os.path.join(path, _bundle.CATALOGUE)} and {_bundle.INDEX} do not name the same content; {_AGAIN}.")
    except CognitiveError as error:
        verdict.faults.append(str(error))


def _blob(digest: str) -> str:
    return f"{_bundle.BLOBS}/{digest.partition(':')[2]}"
