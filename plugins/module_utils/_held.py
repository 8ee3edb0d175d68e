# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""What the other side of the gap has already, so that an export can leave it out.

An earlier bundle tells it, because everything that was in it went over; or receipts do, which came back from the site: one of
its depot, and one of each host. A wrong guess costs bytes and nothing else: the site plans against its live hosts, and what lacks
comes back as a request, whose blobs are never left out.
"""

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle, _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._plan import Holdings

SCHEMA = 1
RECEIPT, DEPOT, REQUEST = "receipt", "depot", "request"


@dataclass(frozen=True)
class Need:
    """An image that is wanted: its layers as diff IDs, base first, and the hosts that are to run it (none named: any host)."""

    diff_ids: tuple[str, ...]
    hosts: tuple[str, ...] = ()


@dataclass
class Held:
    """What the targets of a bundle have; empty, so that nothing is left out, until something is learned."""

    # Every layer that is known, by diff ID: so that one that is left out has the name that it has over there.
    layers: dict[str, _oci.Layer] = field(default_factory=dict)
    # By digest, who says that all targets have that blob.
    everywhere: dict[str, str] = field(default_factory=dict)
    # Images whose documents lie here, in earlier bundles, and where those documents are, by digest.
    images: list[_oci.Image] = field(default_factory=list)
    documents: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, Holdings] = field(default_factory=dict)
    # By host, the blobs of its licenses and models.
    files: dict[str, set[str]] = field(default_factory=dict)
    requested: set[str] | None = None
    origins: list[str] = field(default_factory=list)
    # The highest serial number of a bundle that any of them knows.
    serial: int = 0

    def learn_bundle(self, bundle: Bundle) -> None:
        """Everything that an earlier bundle named is over there, what it left out too."""
        origin = f"bundle {bundle.catalogue.get('id', '')}"
        self._note(origin, bundle.catalogue.get("serial"))
        for image in bundle.images():
            self._learn_layers(image["layers"])
            self.everywhere.update({layer["digest"]: origin for layer in image["layers"]})
            self.images.append(image)
            self.documents.update({digest: bundle.blob_path(digest) for digest in (image["manifest"], image["config"])})
        for tree in bundle.trees():
            self.everywhere.update({file["digest"]: origin for file in tree["files"]})

    def learn_documents(self, directory: str) -> None:
        """Every receipt and every request in C(directory)."""
        names = sorted(name for name in _listed(directory) if name.endswith(".json"))
        if not names:
            raise CognitiveError(f"{directory} holds neither a bundle nor receipts (*.json); name an earlier bundle, or the directory that came back from the site.")
        for name in names:
            path = os.path.join(directory, name)
            document = read_document(path)
            try:
                self._learn_document(document, path)
            except (AttributeError, KeyError, TypeError) as error:
                raise CognitiveError(f"{path} is not as a {document['kind']} should be ({error!r}); get it again from the site.") from error

    def _learn_document(self, document: dict[str, t.Any], path: str) -> None:
        if document["kind"] == REQUEST:
            self.requested = (self.requested or set()) | {_oci.check_digest(blob.get("digest"), path) for blob in document["blobs"]}
            self.requested |= {_oci.check_digest(blob["diff_id"], path) for blob in document["blobs"] if blob.get("diff_id")}
            return
        who = f"receipt of {document.get('host') or 'the depot'}"
        self._note(who, document.get("serial"))
        self._learn_layers(document["layers"])
        if document["kind"] == DEPOT:
            self.everywhere.update({_oci.check_digest(digest, path): who for digest in document["blobs"]})
            return
        holdings = Holdings(document["engine"]["store"])
        for image in document["images"]:
            holdings.add(image["diff_ids"], image["blobs"])
        self.hosts[document["host"]] = holdings
        self.files[document["host"]] = set(document["files"])

    def _note(self, origin: str, serial: object) -> None:
        if origin not in self.origins:
            self.origins.append(origin)
        if isinstance(serial, int):
            self.serial = max(self.serial, serial)

    def _learn_layers(self, layers: t.Iterable[t.Mapping[str, t.Any]]) -> None:
        for layer in layers:
            self.layers.setdefault(layer["diff_id"], t.cast(_oci.Layer, {key: layer[key] for key in ("digest", "diff_id", "size", "media_type", "raw_size")}))

    def left_out(self, images: t.Mapping[str, Need], files: t.Mapping[str, t.Collection[str]]) -> dict[str, str]:
        """The blobs that all who need them have, by digest, with who says so.

        C(files) are the digests of the files of licenses and models, each with the hosts that need it.
        """
        found: dict[str, str] = {}
        needed: set[str] = set()
        for need in images.values():
            known = [self.layers.get(diff_id) for diff_id in need.diff_ids]
            for count, layer in enumerate(known):
                if layer is not None:
                    self._judge(layer["digest"], self._have_layer(known[: count + 1], need), {layer["digest"], layer["diff_id"]}, found, needed)
        for digest, hosts in files.items():
            self._judge(digest, _names(hosts) if hosts and all(digest in self.files.get(host, ()) for host in hosts) else None, {digest}, found, needed)
        return {digest: origin for digest, origin in found.items() if digest not in needed}

    def _judge(self, digest: str, by_hosts: str | None, names: set[str], found: dict[str, str], needed: set[str]) -> None:
        origin = self.everywhere.get(digest) or by_hosts
        if self.requested is not None:
            # A top-up brings what was asked for, and nothing else.
            origin = None if names & self.requested else "the site, which did not ask for it"
        if origin is None:
            needed.add(digest)
        else:
            found[digest] = origin

    def _have_layer(self, chain: t.Sequence[_oci.Layer | None], need: Need) -> str | None:
        """The hosts of C(need), where all of them have the last layer of C(chain), which ends with one that is known."""
        layers = [layer for layer in chain if layer is not None]
        if not need.hosts or len(layers) != len(chain):
            return None
        lacking = any(host not in self.hosts or layers[-1] in self.hosts[host].missing(layers) for host in need.hosts)
        return None if lacking else _names(need.hosts)


def _names(hosts: t.Collection[str]) -> str:
    return "receipts of " + ", ".join(sorted(hosts))


def read_document(path: str) -> dict[str, t.Any]:
    """A receipt or a request; raises where it is none."""
    try:
        document = json.loads(_bundle.read_document(path))
    except (OSError, ValueError, RecursionError) as error:
        raise CognitiveError(f"{path} cannot be read as a receipt ({error}); get it again from the site.") from error
    needed = {RECEIPT: ("host", "engine", "images", "layers", "files"), DEPOT: ("blobs", "layers"), REQUEST: ("blobs",)}
    kind = document.get("kind") if isinstance(document, dict) else None
    if kind not in needed or document.get("schema") != SCHEMA or any(key not in document for key in needed[kind]):
        raise CognitiveError(f"{path} is not a receipt or a request of this collection (schema {SCHEMA}); take it away, or get it again from the site.")
    return dict(document)


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError as error:
        raise CognitiveError(f"{directory} cannot be read ({error.strerror}); name an earlier bundle, or the directory with the receipts that came back from the site.") from error
