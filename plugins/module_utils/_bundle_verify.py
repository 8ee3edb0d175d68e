# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Whether a bundle may be trusted: signature and list first, then every file, then that nothing lacks.

Nothing of a bundle is parsed before its list and the list's signature are checked.
"""

from __future__ import annotations

import os
import stat
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle, _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import Verifier
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import file_digest

_CURE = "get the bundle again from where it was made"


def verify(path: str, verifier: Verifier) -> dict[str, t.Any]:
    """Who signed, and how much was checked; raises with every fault."""
    where = os.path.join(path, _bundle.LIST)
    listed = _needed(where)
    signer = verifier.verify(listed, _needed(os.path.join(path, _bundle.SIGNATURE)), where)
    files = _bundle.read_list(listed, where)
    faults, checked = _check_files(path, files)
    if not faults:
        faults = _check_content(_bundle.Bundle(path), files)
    if faults:
        more = f" And {len(faults) - 1} more, see faults." if len(faults) > 1 else ""
        raise CognitiveError(faults[0] + more, faults=faults)
    return {"signer": signer, "files": len(files), "bytes": checked}


def _needed(path: str) -> bytes:
    try:
        return _bundle.read_document(path)
    except FileNotFoundError as error:
        raise CognitiveError(f"{path} is missing, so nothing says that this bundle is what was sent; {_CURE}.") from error
    except OSError as error:
        raise CognitiveError(f"{path}: {error.strerror}; see that this user may read it.") from error


def _check_files(path: str, files: t.Mapping[str, str]) -> tuple[list[str], int]:
    """Faults of single files, and the bytes that were read."""
    faults, checked = [], 0
    for name, digest in files.items():
        full = os.path.join(path, name)
        try:
            status = os.lstat(full)
            if not stat.S_ISREG(status.st_mode):
                faults.append(f"{full} is not a plain file; {_CURE}.")
            elif file_digest(full) != f"sha256:{digest}":
                faults.append(f"{full} was altered or cut short; {_CURE}.")
            elif name.startswith(_bundle.BLOBS + "/") and os.path.basename(name) != digest:
                faults.append(f"{full} has a name that is not its digest; {_CURE}.")
            checked += status.st_size
        except FileNotFoundError:
            faults.append(f"{full} is missing; {_CURE}.")
        except OSError as error:
            faults.append(f"{full}: {error.strerror}; see that this user may read it.")
    known = {*files, _bundle.LIST, _bundle.SIGNATURE}
    for directory, directories, names in os.walk(path):
        for name in names + [entry for entry in directories if os.path.islink(os.path.join(directory, entry))]:
            full = os.path.join(directory, name)
            if os.path.relpath(full, path) not in known:
                faults.append(f"{full} is not in the signed list; take it away, and ask who put it there.")
    return faults, checked


def _check_content(bundle: _bundle.Bundle, files: t.Mapping[str, str]) -> list[str]:
    """That every blob that an image or a tree names is there, with the size that it is said to have."""
    faults = []
    items: list[tuple[str, dict[str, int]]] = [(f"Image {image['name']}", _bundle.blobs_of(image)) for image in bundle.images()]
    items += [(f"{tree['kind'].capitalize()} of {tree['family']} {tree['tag']}", _bundle.blobs_of_tree(tree)) for tree in bundle.trees()]
    for title, blobs in items:
        for digest, size in blobs.items():
            name = f"{_bundle.BLOBS}/{_oci.check_digest(digest, title).partition(':')[2]}"
            if name not in files:
                faults.append(f"{title} lacks blob {digest}; {_CURE}.")
            elif os.path.getsize(os.path.join(bundle.path, name)) != size:
                faults.append(f"{title}: blob {digest} is not of the size that it is said to have; {_CURE}.")
    return faults
