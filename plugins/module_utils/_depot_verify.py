# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Judging a depot: every blob hashed, and named in the signed list of a bundle that was merged; everything else is a fault."""

from __future__ import annotations

import concurrent.futures
import os
import re
import stat
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_signed import SignedBundle, is_proof, read_files
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_verify import THREADS, Verdict
from ansible_collections.airgap.cognitive.plugins.module_utils._depot import BUNDLES, DOCUMENTS, INCOMING, Depot, KeptBundle
from ansible_collections.airgap.cognitive.plugins.module_utils._depot_view import VOLUME_FILE
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import Verifier
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import file_digest
from ansible_collections.airgap.cognitive.plugins.module_utils._volume import read_volume

_PART = re.compile(r"([0-9a-f]{64})(?:\.json)?")
_MERGE = "take it away, and merge the bundle that has it again"


def verify_depot(depot: Depot, verifier: Verifier) -> Verdict:
    """Judge the depot; in the verdict, C(signers) names everybody who signed one of its bundles."""
    if not os.path.isdir(depot.path):
        raise CognitiveError(f"Depot {depot.path} is not there; merge a bundle into it first.")
    verdict = Verdict([])
    proved: set[str] = set()
    signers: set[str] = set()
    for bundle in depot.bundles():
        try:
            signed = read_signed(bundle.path, verifier)
            if signed.id != bundle.id:
                raise CognitiveError(f"{bundle.path} holds the documents of bundle {signed.id}; take it away, and merge both bundles again.")
            signers.update(signed.signers)
            _check_volumes(bundle, verifier)
            proved.update(signed.blobs)
        except CognitiveError as error:
            verdict.faults.append(str(error))
    verdict.signers = sorted(signers)
    _judge_files(depot, proved, verdict)
    try:
        for name in depot.outdated(depot.documents(depot.contents(), depot.pruned)):
            verdict.faults.append(f"{os.path.join(depot.path, name)} is not what the merged bundles say; take it away, and merge any bundle again.")
    except CognitiveError as error:
        verdict.faults.append(str(error))
    return verdict


def read_signed(path: str, verifier: Verifier) -> SignedBundle:
    """The documents that a depot keeps of a bundle, proved again."""
    return SignedBundle(read_files(path), path, verifier)


def _check_volumes(bundle: KeptBundle, verifier: Verifier) -> None:
    """What is remembered of the volumes that a bundle came in."""
    for name in sorted(os.listdir(bundle.path)):
        if VOLUME_FILE.fullmatch(name):
            path = os.path.join(bundle.path, name)
            if not os.path.isfile(path + ".sig"):
                raise CognitiveError(f"{path} is not signed: {name}.sig is missing; take it away.")
            document = _bundle.read_document(path)
            verifier.verify(document, _bundle.read_document(path + ".sig"), path)
            if read_volume(document, path).bundle != bundle.id:
                raise CognitiveError(f"{path} is of another bundle; take it away.")


def _judge_files(depot: Depot, proved: t.Collection[str], verdict: Verdict) -> None:
    """Every file of the depot: blobs are read, the others belong there or not."""
    blobs = []
    for parent, directories, leaves in os.walk(depot.path):
        for name in sorted(leaves + [name for name in directories if os.path.islink(os.path.join(parent, name))]):
            full = os.path.join(parent, name)
            relative = os.path.relpath(full, depot.path)
            if not stat.S_ISREG(os.lstat(full).st_mode):
                verdict.faults.append(f"{full} is a link or a device; a depot holds plain files only, take it away.")
            elif os.path.dirname(relative) == _bundle.BLOBS and "sha256:" + name in proved:
                blobs.append(full)
            elif os.path.dirname(relative) == _bundle.BLOBS:
                verdict.faults.append(f"{full} is in no signed list of a merged bundle; take it away.")
            elif not _belongs(relative, proved):
                verdict.faults.append(f"{full} is not part of a depot; take it away.")
    with concurrent.futures.ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        for path, found in zip(blobs, pool.map(_digest, blobs)):
            if isinstance(found, OSError):
                verdict.faults.append(f"{path} cannot be read ({found.strerror}); {_MERGE}.")
            elif found != "sha256:" + os.path.basename(path):
                verdict.faults.append(f"{path} was altered: its checksum is not the one in its name; {_MERGE}.")
            verdict.files += 1
            verdict.size += os.lstat(path).st_size


def _belongs(relative: str, proved: t.Collection[str]) -> bool:
    """Whether a file that is no blob has its place in a depot."""
    directory, name = os.path.split(relative)
    if directory == INCOMING:
        part = _PART.fullmatch(name)
        return part is not None and "sha256:" + part.group(1) in proved
    if os.path.dirname(directory) == BUNDLES:
        return is_proof(name) or VOLUME_FILE.fullmatch(name.replace(".json.sig", ".json")) is not None
    return not directory and name in DOCUMENTS


def _digest(path: str) -> str | OSError:
    try:
        return file_digest(path)
    except OSError as error:
        return error
