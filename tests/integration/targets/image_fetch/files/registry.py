#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start a registry on the loopback in DIRECTORY, with TLS and credentials, and fill it with small images; say on standard output what there is.

In front of it, on a port of its own, is one that holds up every answer of more than 1 MB until the file DIRECTORY/go is there.

    registry.py DIRECTORY          start both, and end
    registry.py --hold DIRECTORY PORT OF-REGISTRY
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import threading
import time
import typing as t
from pathlib import Path

OCI = "application/vnd.oci.image."
HELD = 1_000_000
# What the registry reads is a bcrypt hash of the password; both are for this registry, which lives as long as the test.
USER, PASSWORD = "test", "loopback"
HASH = "$2y$05$abcdefghijklmnopqrstuuaxWaIGz0ocxQjnBdU4neLQIs4nDHGo6"


def call(*command: str) -> str:
    """The output of a command that must not fail."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


class Layout:
    """Images in an OCI layout, from which skopeo fills the registry."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.entries: list[dict[str, t.Any]] = []
        (root / "blobs" / "sha256").mkdir(parents=True)
        (root / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def put(self, kind: str, data: bytes) -> dict[str, t.Any]:
        """Keep a blob; its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        (self.root / "blobs" / "sha256" / digest).write_bytes(data)
        return {"mediaType": OCI + kind, "digest": f"sha256:{digest}", "size": len(data)}

    def image(self, layers: list[bytes], machine: str = "amd64") -> dict[str, t.Any]:
        """An image of these plain layers."""
        diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
        config = {"architecture": machine, "os": "linux", "config": {"Cmd": ["/top"]}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        packed = [self.put("layer.v1.tar+gzip", gzip.compress(layer, 1, mtime=0)) for layer in layers]
        manifest = {"schemaVersion": 2, "mediaType": f"{OCI}manifest.v1+json", "config": self.put("config.v1+json", json.dumps(config).encode()), "layers": packed}
        # Indented, so that only a manifest that is kept byte by byte keeps its digest.
        return self.put("manifest.v1+json", json.dumps(manifest, indent=3).encode())

    def list_of(self, images: dict[str, dict[str, t.Any]]) -> dict[str, t.Any]:
        """A list of images by machine."""
        entries = [{**image, "platform": {"os": "linux", "architecture": machine}} for machine, image in images.items()]
        return self.put("index.v1+json", json.dumps({"schemaVersion": 2, "mediaType": f"{OCI}index.v1+json", "manifests": entries}, indent=1).encode())

    def name(self, entry: dict[str, t.Any], name: str) -> None:
        """Let skopeo find it."""
        self.entries.append({**entry, "annotations": {"org.opencontainers.image.ref.name": name}})
        (self.root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self.entries}))


def layer(name: str, size: int) -> bytes:
    """A plain layer of one file that nothing compresses."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = size
        archive.addfile(member, io.BytesIO(os.urandom(size)))
    return target.getvalue()


def free_port() -> int:
    """One that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(port: int) -> None:
    """Until somebody listens there."""
    for _attempt in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit(f"nobody listens on port {port}")


def hold(directory: Path, port: int, registry: int) -> None:
    """Pass everything on, but hold up what is long."""

    def pump(source: socket.socket, target: socket.socket) -> None:
        passed = 0
        try:
            while block := source.recv(65536):
                passed += len(block)
                while passed > HELD and not (directory / "go").exists():
                    time.sleep(0.05)
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()

    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            client, _address = listener.accept()
            server = socket.create_connection(("127.0.0.1", registry))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()


def start(directory: Path, log: str, *command: str) -> int:
    """A program that outlives this one; its process ID."""
    with open(directory / log, "ab") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True).pid


def serve(directory: Path) -> dict[str, t.Any]:
    """Start the registry and what is before it."""
    port, held = free_port(), free_port()
    (directory / "ca").mkdir()
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(directory / "registry.key"), "-out", str(directory / "ca" / "registry.crt")]
    call("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", *subject, *files)
    (directory / "htpasswd").write_text(f"{USER}:{HASH}\n")
    config = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": False}},
        "storage": {"filesystem": {"rootdirectory": str(directory / "store")}},
        "auth": {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}},
        "http": {"addr": f"127.0.0.1:{port}", "tls": {"certificate": str(directory / "ca" / "registry.crt"), "key": str(directory / "registry.key")}},
    }
    (directory / "registry.json").write_text(json.dumps(config))
    for name, password in (("auth", PASSWORD), ("wrong", "no" + PASSWORD)):
        auths = {f"127.0.0.1:{number}": {"auth": base64.b64encode(f"{USER}:{password}".encode()).decode()} for number in (port, held)}
        (directory / f"{name}.json").write_text(json.dumps({"auths": auths}))
    pids = [
        start(directory, "access.log", "docker-registry", "serve", str(directory / "registry.json")),
        start(directory, "hold.log", sys.executable, __file__, "--hold", str(directory), str(held), str(port)),
    ]
    (directory / "pids").write_text(" ".join(map(str, pids)))
    for number in (port, held):
        wait_for(number)
    return {"host": f"127.0.0.1:{port}", "held": f"127.0.0.1:{held}"}


def fill(directory: Path, host: str) -> dict[str, t.Any]:
    """Push a Docker schema 2 image, an OCI one that shares its base, a list of two machines, and one with a layer that is held up."""
    layout = Layout(directory / "images")
    base = layer("base", 300_000)
    first, second = layout.image([base, layer("docker", 5_000)]), layout.image([base, layer("oci", 5_000)])
    plain, other = layout.image([base, layer("amd64", 5_000)]), layout.image([layer("arm64", 5_000)], "arm64")
    big = layer("big", 4_000_000)
    large = layout.image([layer("small", 20_000), big, layer("last", 30_000)])
    many = layout.list_of({"arm64": other, "amd64": plain})
    options = ["--quiet", "--dest-cert-dir", str(directory / "ca"), "--dest-authfile", str(directory / "auth.json")]
    for name, entry, more in (
        ("docker", first, ["--format", "v2s2"]),
        ("oci", second, ["--preserve-digests"]),
        ("many", many, ["--all", "--preserve-digests"]),
        ("large", large, ["--format", "v2s2"]),
        ("arm", other, ["--preserve-digests"]),
    ):
        layout.name(entry, name)
        call("skopeo", "copy", *options, *more, f"oci:{layout.root}:{name}", f"docker://{host}/test/{name}:1")
    packed = gzip.compress(big, 1, mtime=0)
    return {"oci": second["digest"], "list": many["digest"], "amd64": plain["digest"], "big": hashlib.sha256(packed).hexdigest()}


def main() -> None:
    """Entry point."""
    if sys.argv[1] == "--hold":
        hold(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    directory = Path(sys.argv[1])
    ports = serve(directory)
    print(json.dumps({**ports, "digests": fill(directory, ports["host"])}))


if __name__ == "__main__":
    main()
