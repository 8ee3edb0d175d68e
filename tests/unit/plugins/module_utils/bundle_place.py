# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A signing key, a license, a place for a bundle, and how they are used together."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import typing as t
from pathlib import Path

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_directory import BundleDirectory
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_export import Export
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_tree import TreeSource
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_verify import Verdict, verify
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import BUNDLE_NAMESPACE, SshSigner, SshVerifier
from ansible_collections.airgap.cognitive.plugins.module_utils._source import WantedImage
from ansible_collections.airgap.cognitive.plugins.module_utils._source_engine import EngineSource
from ansible_collections.airgap.cognitive.plugins.module_utils._terms import Terms
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_samples import SampleEngine, SampleImage, layer_of

BASE = layer_of("base", 9000)
SENTIMENT = SampleImage([BASE, layer_of("sentiment")], {"Env": ["PATH=/bin"], "Cmd": ["eula=accept"]})
KEYPHRASE = SampleImage([BASE, layer_of("keyphrase")])
S, K = "cognitive/sentiment:3.0-en", "cognitive/keyphrase:3.0-en"


def make_key(path: Path, passphrase: str = "") -> Path:
    """A new key."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "test", "-f", str(path)], check=True)
    return path


class Place:
    """A staging machine in a directory."""

    def __init__(self, root: Path, shape: str = "legacy") -> None:
        self.root = root
        self.path = root / "media" / "bundle"
        (root / "media").mkdir()
        self.key = make_key(root / "key")
        self.allowed = root / "allowed_signers"
        self.allowed.write_text(f'staging@example namespaces="{BUNDLE_NAMESPACE}" {(root / "key.pub").read_text()}')
        self.engine = SampleEngine({S: SENTIMENT, K: KEYPHRASE}, shape)
        self.license = root / "license"
        (self.license / "sub" / "empty").mkdir(parents=True)
        (self.license / "license.dat").write_bytes(b"opaque\0content")
        (self.license / "sub" / "other name").write_bytes(b"more")
        (self.license / "again.dat").write_bytes(b"opaque\0content")
        self.write_record()

    def write_record(self, **changes: t.Any) -> None:
        """The record that license_download keeps beside the directory."""
        files = {
            str(file.relative_to(self.license)): {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "size": file.stat().st_size}
            for file in sorted(self.license.rglob("*"))
            if file.is_file() and not file.is_symlink()
        }
        identity = self.engine.image(S)
        assert identity is not None
        record = {
            "family": "sentiment",
            "tag": "3.0-en",
            "image": S,
            "image_id": identity.id,
            "diff_ids": list(identity.diff_ids),
            "repo_digests": [],
            "downloaded": "2026-11-24T22:00:00Z",
            "ends": None,
            "files": files,
        }
        Path(str(self.license) + ".json").write_text(json.dumps({**record, **changes}))

    def tree(self, **changes: t.Any) -> dict[str, t.Any]:
        """The license as the module's option has it."""
        tree = {"kind": "license", "family": "sentiment", "tag": "3.0-en", "image": S, "path": str(self.license), "metadata": str(self.license) + ".json"}
        return {**tree, **changes}

    def export(
        self,
        names: t.Sequence[str] = (S, K),
        trees: t.Sequence[dict[str, t.Any]] | None = None,
        key: Path | None = None,
        prune: bool = True,
        check: bool = False,
        further_keys: t.Sequence[Path] = (),
        hosts: t.Mapping[str, tuple[str, ...]] | None = None,
        **terms: t.Any,
    ) -> tuple[list[str], int]:
        """Run an export; why it wrote, and how much."""
        with BundleDirectory(str(self.path), write=not check) as directory:
            engine = EngineSource(self.engine)
            wanted = [WantedImage(name, name.split("/")[1].split(":")[0], name.split(":")[1], engine, (hosts or {}).get(name, ())) for name in names]
            sources = [TreeSource(**tree) for tree in ([self.tree()] if trees is None and S in names else trees or [])]
            signers = [SshSigner(str(path)) for path in (key or self.key, *further_keys)]
            job = Export(directory, wanted, sources, signers, prune, Terms(**terms))
            reasons = job.reasons()
            written = job.run() if reasons and not check else 0
        return reasons, written

    def verify(self, **options: t.Any) -> Verdict:
        """Judge what the export wrote."""
        return verify(str(self.path), SshVerifier(str(self.allowed), **options))

    def files(self) -> dict[str, tuple[int, int]]:
        """Every file below the media, with what changes when it is written."""
        found = {}
        for parent, _names, leaves in os.walk(self.root / "media"):
            for leaf in leaves:
                status = os.lstat(os.path.join(parent, leaf))
                found[os.path.relpath(os.path.join(parent, leaf), self.root / "media")] = (status.st_ino, status.st_mtime_ns)
        return found

    def sign(self) -> None:
        """Make list and signature anew, as somebody with the key could."""
        names = sorted(str(file.relative_to(self.path)) for file in self.path.rglob("*") if file.is_file() and not file.name.startswith("SHA256SUMS"))
        lines = [f"{hashlib.sha256((self.path / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
        self.sign_list("".join(lines).encode())

    def sign_list(self, data: bytes) -> None:
        """Sign this list, whatever it says."""
        (self.path / "SHA256SUMS").write_bytes(data)
        (self.path / "SHA256SUMS.sig").write_bytes(SshSigner(str(self.key)).sign(data))


def killed(call: t.Callable[[], t.Any], point: int) -> bool:
    """Do it in a process of its own that is killed before its change number C(point) of the file system; whether it was."""
    left = point

    def counted(original):
        def wrapped(*arguments, **options):
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        return wrapped

    child = os.fork()
    if child == 0:
        for name in ("rename", "replace", "mkdir", "unlink", "fsync"):
            setattr(os, name, counted(getattr(os, name)))
        try:
            call()
            os._exit(0)
        finally:
            os._exit(1)
    _pid, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL)
    return status != 0
