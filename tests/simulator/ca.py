# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificate authority of the simulated billing endpoint, made once for each machine and baked into the simulator's images."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import typing as t
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "airgap-cognitive"
CA = CACHE / "simulator-ca"


def ca_certificate() -> Path:
    """The authority's certificate; makes the authority where there is none."""
    certificate = CA / "ca.pem"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "simulator-ca.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not certificate.exists():
            shutil.rmtree(CA, ignore_errors=True)
            beside = Path(tempfile.mkdtemp(prefix=".simulator-ca-", dir=CACHE))
            _openssl(
                *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "7300"),
                *(
                    "-subj",
                    "/CN=airgap.cognitive simulator",
                    "-addext",
                    "keyUsage=critical,keyCertSign",
                    "-keyout",
                    beside / "ca.key",
                    "-out",
                    beside / "ca.pem",
                ),
            )
            beside.rename(CA)
    return certificate


def server_certificate(hosts: t.Sequence[str], path: Path) -> None:
    """Writes key and certificate of a server of these names to C(path), readable for its owner only."""
    ca_certificate()
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        (work / "names").write_text(f"subjectAltName={','.join(f'DNS:{host}' for host in hosts)}\n")
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=billing"),
            *("-keyout", work / "key", "-out", work / "request"),
        )
        _openssl(
            *("x509", "-req", "-in", work / "request", "-CA", CA / "ca.pem", "-CAkey", CA / "ca.key", "-set_serial", f"0x{os.urandom(8).hex()}"),
            *("-days", "3650", "-extfile", work / "names", "-out", work / "certificate"),
        )
        path.touch(mode=0o600)
        path.write_bytes((work / "key").read_bytes() + (work / "certificate").read_bytes())


def _openssl(*arguments: object) -> None:
    try:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise SystemExit("simulator: the program openssl is missing; install it (apt-get install openssl).") from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"simulator: openssl failed: {error.stderr.strip()}") from error
