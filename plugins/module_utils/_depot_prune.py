# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Taking out of a depot what no image that is wanted and no bundle that is kept needs."""

from __future__ import annotations

import os
import shutil
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._depot import INCOMING, KEYS, Content, Depot, KeptBundle
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size


class Prune:
    """What leaves the depot where the images C(keep_images), their trees, and the C(keep_bundles) newest bundles stay."""

    def __init__(self, depot: Depot, keep_images: t.Collection[str], keep_bundles: int) -> None:
        if not keep_images and keep_bundles < 1:
            raise CognitiveError("Nothing is named that stays in the depot; name images with keep_images, or keep at least one bundle.")
        self._depot = depot
        self._bundles = depot.bundles()
        if not self._bundles:
            raise CognitiveError(f"Depot {depot.path} holds no bundle; merge one first.")
        contents = depot.contents()
        unknown = sorted(set(keep_images) - {content.name for content in contents if content.kind == "image"})
        if unknown:
            raise CognitiveError(f"Depot {depot.path} does not hold image {unknown[0]}, which is to stay; correct its name in keep_images.")
        self._newest = self._bundles[:keep_bundles]
        self._stay = [content for content in contents if content.entry["image" if content.kind != "image" else "name"] in keep_images]
        reachable = self._reachable()
        self.blobs = {name: size for name, size in self._present(_bundle.BLOBS).items() if "sha256:" + name not in reachable}
        self.parts = {name: size for name, size in self._present(INCOMING).items() if "sha256:" + name.partition(".")[0] not in reachable}
        self.bundles = self._dropped(reachable)
        self.pruned = self._marks()
        self.contents = [content for content in contents if not self._stays(content)]

    @property
    def size(self) -> int:
        """How many bytes of blobs leave."""
        return sum(self.blobs.values()) + sum(self.parts.values())

    def reasons(self) -> list[str]:
        """Why this would take something out; empty where the depot holds nothing else."""
        found = [f"{content.kind} {content.name} is not to stay" for content in self.contents]
        found += [f"bundle {bundle.id} is not to stay" for bundle in self.bundles]
        count = len(self.blobs) + len(self.parts)
        if count:
            found.append(f"nothing that stays needs {count} {'file' if count == 1 else 'files'} ({format_size(self.size)})")
        if not found and self._depot.outdated(self._depot.documents(self._depot.contents(self.pruned), self.pruned)):
            found.append("its documents are not up to date")
        return found

    def run(self) -> None:
        """Take it out: first out of the documents, so that nothing is named that is on its way out."""
        try:
            self._depot.stage()
            self._depot.write_documents(self.pruned)
            for directory, names in ((_bundle.BLOBS, self.blobs), (INCOMING, self.parts)):
                for name in names:
                    os.unlink(os.path.join(self._depot.path, directory, name))
            for bundle in self.bundles:
                # Half a directory of a bundle would be in the way of every later step.
                os.rename(bundle.path, os.path.join(self._depot.work, bundle.id))
                shutil.rmtree(os.path.join(self._depot.work, bundle.id))
            self._depot.write_documents(self.pruned)
        except OSError as error:
            raise CognitiveError(f"Depot {self._depot.path} cannot be written ({error.strerror}: {error.filename}); see that this user may write there.") from error

    def _present(self, directory: str) -> dict[str, int]:
        path = os.path.join(self._depot.path, directory)
        return {name: os.lstat(os.path.join(path, name)).st_size for name in sorted(os.listdir(path))} if os.path.isdir(path) else {}

    def _stays(self, content: Content) -> bool:
        return content.bundle in self._newest or content in self._stay

    def _reachable(self) -> set[str]:
        """Digest of every blob that stays."""
        found: set[str] = set()
        for content in self._stay:
            found.update(content.blobs)
        for bundle in self._newest:
            found.update(bundle.listed())
            # A difference names blobs that came with an earlier bundle.
            for kind, key in KEYS.items():
                for entry in bundle.entries(key):
                    content = Content(kind, entry, bundle, None)
                    self._depot.examine(content)
                    found.update(content.blobs)
        return found

    def _dropped(self, reachable: t.Collection[str]) -> list[KeptBundle]:
        """Bundles that go; one whose list is the only proof of a blob that stays does not."""
        unproved = {digest for digest in reachable if self._depot.size_of(digest) is not None}
        needed = [bundle for bundle in self._bundles if bundle in self._newest or any(content.bundle == bundle for content in self._stay)]
        for bundle in needed:
            unproved -= bundle.listed()
        dropped = []
        for bundle in self._bundles:
            if bundle in needed:
                continue
            proves = unproved & bundle.listed()
            unproved -= proves
            if not proves:
                dropped.append(bundle)
        return dropped

    def _marks(self) -> dict[str, list[str]]:
        """By bundle that leaves in part or whole, the manifests of what leaves."""
        stay = {(content.bundle.id, content.entry["manifest"]) for content in self._stay}
        found = {}
        for bundle in self._bundles:
            if bundle not in self._newest:
                manifests = {entry["manifest"] for key in KEYS.values() for entry in bundle.entries(key)}
                found[bundle.id] = sorted(manifest for manifest in manifests if (bundle.id, manifest) not in stay)
        return {name: gone for name, gone in found.items() if gone}


def removed(prune: Prune) -> dict[str, t.Any]:
    """For the result of a module."""
    return {
        "contents": [f"{content.kind} {content.name}" for content in prune.contents],
        "bundles": [bundle.id for bundle in prune.bundles],
        "blobs": ["sha256:" + name for name in prune.blobs],
        "bytes": prune.size,
    }


