# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Where the images of an export come from: what an export asks of a source, and what it gets."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_blobs import BlobWriter


@dataclass(frozen=True)
class Identity:
    """What tells one image from another of the same name."""

    # What the source itself calls it.
    id: str
    # What an engine that has it may call it.
    engine_ids: tuple[str, ...]
    repo_digests: tuple[str, ...]
    diff_ids: tuple[str, ...]


@dataclass(frozen=True)
class Brought:
    """An image whose layers were written: its documents are still to be."""

    config: bytes
    manifest: bytes
    media_type: str
    layers: tuple[_oci.Layer, ...]


class ImageSource(t.Protocol):
    """A place that has images."""

    @property
    def kind(self) -> str:
        """C(engine) or C(registry), for the catalogue."""

    def identity(self, name: str) -> Identity:
        """The image that the source has under C(name); raises where it has none, or one that no service can run."""

    def is_same(self, name: str, image: _oci.Image) -> bool:
        """Whether C(image) of a bundle is what the source has under C(name)."""

    def bring(self, names: t.Sequence[str], writer: BlobWriter, held: t.Sequence[_oci.Layer]) -> list[Brought]:
        """Write the layers of images, but not C(held), which the bundle has or does without."""


@dataclass(frozen=True)
class WantedImage:
    """An image that the bundle must hold."""

    name: str
    family: str
    tag: str
    source: ImageSource
    # The hosts that are to run it, where it is known which.
    hosts: tuple[str, ...] = ()
