# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Reading what C(docker save) writes, as a stream, in all its shapes.

Engines before 25 write the legacy shape: C(ID/layer.tar) with links for layers that come again, and C(manifest.json) at the end.
Later ones write an OCI layout with C(manifest.json) beside C(index.json): with plain layers from the classic store,
with the blobs as they were pulled from the containerd store. C(manifest.json) is in all of them, and names config and layers by
their member names; so it alone decides, and every other member is taken for what its content is.
"""

from __future__ import annotations

import io
import json
import posixpath
import re
import tarfile
import typing as t
from dataclasses import dataclass

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError

# Bounds that no engine reaches, so that an archive cannot fill the memory.
MAX_MEMBERS = 65536
MAX_DOCUMENT = 4 << 20
MAX_DOCUMENTS = 128 << 20
MAX_HEADER = 1 << 20
BLOCK = 1 << 20

_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")
_CONFIG = re.compile(r"([0-9a-f]{64})\.json")
# In the order in which the engine writes it.
_LEGACY_CONFIG = json.loads(
    '{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,'
    '"Env":null,"Cmd":null,"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null}'
)
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


@dataclass(frozen=True)
class StoredLayer:
    """A layer as it lies in the bundle; C(diff_id) is None where the blob was kept compressed as it came, and so not looked into."""

    digest: str
    size: int
    media_type: str
    diff_id: str | None = None
    raw_size: int | None = None


@dataclass(frozen=True)
class SavedImage:
    """An image out of an archive; C(manifest) is set where all its blobs are as a registry serves them."""

    config: bytes
    layers: tuple[_oci.Layer, ...]
    manifest: bytes | None = None


class LayerStore(t.Protocol):
    """Where layers go."""

    def known(self, digest: str) -> StoredLayer | None:
        """The layer of this blob digest or diff ID, where it is already kept."""

    def take(self, stream: t.BinaryIO, size: int) -> StoredLayer:
        """Keep the layer that C(stream) gives, C(size) bytes of it."""


class _Member(tarfile.TarInfo):
    """A member whose extended header, which tarfile reads into memory, is bounded."""

    @classmethod
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> tarfile.TarInfo:  # type: ignore[override]
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENDED and member.size > MAX_HEADER:
            raise CognitiveError("The engine's archive has a member with a header of more than 1 MiB; no engine writes that, so it is not read.")
        return member


class _ChunkReader(io.RawIOBase):
    """Chunks as a file that tarfile can read from."""

    def __init__(self, chunks: t.Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if not self._rest:
            chunk = next(self._chunks, b"")
            if len(chunk) <= size:
                return chunk
            self._rest = memoryview(chunk)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)


def legacy_names(diff_ids: t.Sequence[str]) -> dict[str, str]:
    """Where engines before 25 put the layers of an image, all but its last, in an archive: member names and diff IDs.

    They name a layer by the checksum of a document that an image of the time before layers had digests would have had, with the
    chain of layers in it. A name that is not foreseen here is only a layer that has to be read to be known.
    """
    names: dict[str, str] = {}
    chain = parent = ""
    for diff_id in diff_ids[:-1]:
        chain = _oci.digest_of(f"{chain} {diff_id}".encode()) if chain else diff_id
        document = {"container_config": _LEGACY_CONFIG, "created": "1970-01-01T00:00:00Z", "layer_id": chain, **({"parent": parent} if parent else {})}
        parent = _oci.digest_of(json.dumps(document, separators=(",", ":")).encode())
        names[parent.partition(":")[2] + "/layer.tar"] = diff_id
    return names


class SaveReader:
    """Reads one archive. Layers go to the store as they come; documents are kept.

    C(names) says which layers, by diff ID, are to be expected under which member names: those that the store knows are not read.
    """

    def __init__(self, store: LayerStore, names: t.Mapping[str, str] | None = None) -> None:
        self._store = store
        self._names = names or {}
        self._documents: dict[str, bytes] = {}
        self._layers: dict[str, StoredLayer] = {}
        self._links: dict[str, str] = {}
        self._room = MAX_DOCUMENTS

    def read(self, chunks: t.Iterator[bytes]) -> None:
        """Take in the whole archive."""
        try:
            with tarfile.open(fileobj=_ChunkReader(chunks), mode="r|", bufsize=BLOCK, tarinfo=_Member) as archive:
                for count, member in enumerate(archive):
                    if count >= MAX_MEMBERS:
                        raise CognitiveError(f"The engine's archive has more than {MAX_MEMBERS} members; no engine writes that, so it is not read.")
                    self._take(archive, member)
        except (tarfile.TarError, EOFError) as error:
            raise CognitiveError(f"The engine's archive is damaged or was cut short ({error}); run the export again.") from error

    def _take(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = member.name.rstrip("/")
        if any(part in ("", ".", "..") for part in name.split("/")):
            raise CognitiveError(f"The engine's archive has a member named {name[:80]!r}, which leads out of it; it is not read.")
        if member.isdir():
            return
        if name in self._documents or name in self._layers or name in self._links:
            raise CognitiveError(f"The engine's archive has two members named {name[:80]!r}; no engine writes that, so it is not read.")
        if member.issym():
            self._links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
            return
        if not member.isreg() or member.issparse():
            raise CognitiveError(f"The engine's archive has a member {name[:80]!r} that is neither file, directory nor link; it is not read.")
        blob = _BLOB.fullmatch(name)
        digest = blob or _CONFIG.fullmatch(name)
        foreseen = "sha256:" + blob.group(1) if blob else self._names.get(name)
        known = self._store.known(foreseen) if foreseen else None
        if known is not None:
            self._layers[name] = known
            return
        self._read_member(archive, member, name)
        if digest:
            self._check_name(name, "sha256:" + digest.group(1))

    def _read_member(self, archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> None:
        stream = t.cast(t.BinaryIO, archive.extractfile(member))
        if member.size <= MAX_DOCUMENT:
            data = stream.read()
            if not _is_layer(name, data):
                self._room -= len(data)
                if self._room < 0:
                    raise CognitiveError("The engine's archive holds more than 128 MiB of documents; no engine writes that, so it is not read.")
                self._documents[name] = data
                return
            stream = io.BytesIO(data)
        self._layers[name] = self._store.take(stream, member.size)

    def _check_name(self, name: str, digest: str) -> None:
        if name in self._documents:
            found = [_oci.digest_of(self._documents[name])]
        else:
            layer = self._layers[name]
            found = [value for value in (layer.digest, layer.diff_id) if value]
        if digest not in found:
            raise CognitiveError(f"The engine's archive has {name}, whose content is {found[0]}; the engine's store is damaged: remove the image and pull it again.")

    def image(self, name: str, platform: str = _oci.PLATFORM) -> SavedImage:
        """The image C(name) of the archive, proved to be whole."""
        entries = self._manifest()
        tagged = [entry for entry in entries if any(_same_name(tag, name) for tag in entry.get("RepoTags") or [])]
        # An archive of one image that was named by its ID has no tags.
        for entry in tagged or (entries if len(entries) == 1 else []):
            config = self._document(entry, name)
            described = _oci.decode(config, f"Config of {name}")
            if f"{described.get('os')}/{described.get('architecture')}" == platform:
                return self._assemble(name, entry, config, described)
        raise CognitiveError(f"The engine's archive does not hold {name} for {platform}; pull it for that platform, then run the export again.")

    def _manifest(self) -> list[dict[str, t.Any]]:
        try:
            entries = json.loads(self._documents["manifest.json"])
        except (KeyError, ValueError, RecursionError) as error:
            raise CognitiveError("The engine's archive has no readable manifest.json; run the export again.") from error
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise CognitiveError("The engine's archive has a manifest.json that is not a list of images; run the export again.")
        return entries

    def _document(self, entry: dict[str, t.Any], name: str) -> bytes:
        try:
            return self._documents[entry["Config"]]
        except (KeyError, TypeError) as error:
            raise CognitiveError(f"The engine's archive lacks the config of {name}: the engine holds it incompletely; pull the image again.") from error

    def _assemble(self, name: str, entry: dict[str, t.Any], config: bytes, described: dict[str, t.Any]) -> SavedImage:
        paths = entry.get("Layers")
        rootfs = described.get("rootfs")
        diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
        if not isinstance(paths, list) or not isinstance(diff_ids, list) or len(paths) != len(diff_ids):
            raise CognitiveError(f"The engine's archive and the config of {name} do not name the same layers; pull the image again.")
        found = [self._layer(path, name) for path in paths]
        layers: list[_oci.Layer] = []
        for layer, diff_id in zip(found, diff_ids):
            if layer.diff_id not in (None, diff_id):
                raise CognitiveError(f"A layer of {name} is {layer.diff_id}, but its config says {diff_id}; remove the image from the engine and pull it again.")
            layers.append(
                {
                    "digest": layer.digest,
                    "diff_id": _oci.check_digest(diff_id, f"Config of {name}"),
                    "size": layer.size,
                    "media_type": layer.media_type,
                    "raw_size": layer.raw_size,
                }
            )
        return SavedImage(config, tuple(layers), self._verbatim(config, layers))

    def _layer(self, path: object, name: str) -> StoredLayer:
        seen = set()
        while isinstance(path, str) and path in self._links and path not in seen:
            seen.add(path)
            path = self._links[path]
        layer = self._layers.get(path) if isinstance(path, str) else None
        if layer is None:
            raise CognitiveError(f"The engine's archive lacks layer {str(path)[:100]} of {name}: the engine holds it incompletely; remove the image and pull it again.")
        return layer

    def _verbatim(self, config: bytes, layers: list[_oci.Layer]) -> bytes | None:
        """The manifest that came along, where it names these very blobs: then its digest is the registry's and is kept."""
        wanted = [layer["digest"] for layer in layers]
        for path, data in self._documents.items():
            if not _BLOB.fullmatch(path) or b'"layers"' not in data:
                continue
            manifest = _oci.decode(data, path)
            named = [entry.get("digest") for entry in manifest.get("layers") or [] if isinstance(entry, dict)]
            of_this_config = (manifest.get("config") or {}).get("digest") == _oci.digest_of(config)
            if manifest.get("mediaType", _oci.MANIFEST) == _oci.MANIFEST and named == wanted and of_this_config:
                return data
        return None


def _is_layer(name: str, data: bytes) -> bool:
    """Whether a small member is a layer: layers and documents share one directory in the OCI shape."""
    if not _BLOB.fullmatch(name):
        return name.endswith("/layer.tar")
    if data.lstrip()[:1] != b"{":
        return True
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return True
    return False


def _same_name(tag: object, name: str) -> bool:
    if tag == name:
        return True
    try:
        return isinstance(tag, str) and _oci.normalized_name(tag) == _oci.normalized_name(name)
    except ValueError:
        return False
