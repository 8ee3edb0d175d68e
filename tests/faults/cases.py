# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users give by mistake, and the one sentence that each mistake is worth."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import secrets
import subprocess
import sys
import typing as t
from pathlib import Path

import fleet

HOST = "edge1"
BILLING = Path(__file__).resolve().parents[1] / "simulator" / "billing.py"
EXPIRED = {"endpoint": "https://expired.cognitiveservices.example", "api_key": secrets.token_hex(16), "families": ["sentiment"], "days": -1}
GOOD_ENDPOINT = "https://language.cognitiveservices.example"
# Lines of the host's state that belong to what a case deploys: its service, the image it brings, and the record of pushes.
OWN = re.compile(r"refused-|textanalytics/sentiment:3\.0-en|<none>:<none>|/\.spool| cognitive$|path /var/lib/cognitive d")
SMALL = "/var/lib/cognitive-refused"
CLEAN = f"""
docker rm --force --volumes refused-en >/dev/null 2>&1 || true
umount {SMALL} 2>/dev/null || true
rm -rf {SMALL} /var/lib/cognitive/refused-*
"""


def nothing(_place: Path) -> None:
    """Spoil nothing."""


class Case(t.NamedTuple):
    """One mistake. C(says) matches the whole of what the error says, C(shows) a part of the output."""

    name: str
    playbook: str
    says: str
    services: list[dict[str, t.Any]]
    shows: str = ""
    # Extra variables, in which {place} is the directory of the case; and the environment of the run.
    variables: dict[str, t.Any] = {}
    environment: dict[str, str] = {}
    # Spoils the copies in the directory of the case; and whether a bundle is exported from what is left.
    spoil: t.Callable[[Path], None] = nothing
    export_first: bool = False
    # What a shell on the host does before the run, and to put it right.
    on_host: str = ""
    on_host_after: str = ""
    deploys: bool = False


def service(**changes: t.Any) -> dict[str, t.Any]:
    """A service without mistakes, but for C(changes); None takes a key out."""
    whole = {"name": "refused-en", "family": "sentiment", "tag": "3.0-en", "port": 5901, "cpus": 0.5, "memory": "192m", "ready_timeout": 60, **changes}
    return {key: value for key, value in whole.items() if value is not None}


def renewed(**resource: t.Any) -> dict[str, t.Any]:
    """Variables of an export that takes the license again from this resource."""
    whole = {"endpoint": GOOD_ENDPOINT, "api_key": secrets.token_hex(16), **resource}
    return {"cognitive_renew": True, "cognitive_resources": {"sentiment": whole}}


def license_of_another_family(place: Path) -> None:
    """As if somebody had copied a license over another, and made the record fit."""
    licenses = place / "staging" / "licenses"
    target = licenses / "sentiment" / "3.0-en"
    for file in target.iterdir():
        file.unlink()
    subprocess.run(["cp", "--archive", f"{licenses / 'keyphrase' / '3.0-en'}/.", target], check=True)
    record = target.with_name("3.0-en.json")
    files = {file.name: {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "size": file.stat().st_size} for file in target.iterdir()}
    record.write_text(json.dumps({**json.loads(record.read_text()), "files": files}))


def altered_blob(place: Path) -> None:
    """One bit of the largest file; beside and renamed, because it is linked to the demo's."""
    blob = max((place / "bundle" / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.unlink()
    blob.write_bytes(content)


def missing_signature(place: Path) -> None:
    """A signature that nobody carried along."""
    (place / "bundle" / "SHA256SUMS.sig").unlink()


def other_signers(place: Path) -> None:
    """A file that allows another key only."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / "other"], check=True)
    (place / "signers").write_text(f"somebody@example.com {(place / 'other.pub').read_text()}")


@contextlib.contextmanager
def billing(work: Path) -> t.Iterator[None]:
    """A billing endpoint beside the demo's, whose licenses have ended."""
    name, resources = f"{fleet.SCOPE}-refusals", work / "resources.json"
    resources.touch(mode=0o600)
    resources.write_text(json.dumps({"resources": [EXPIRED]}))
    start = [sys.executable, str(BILLING), "start", "--name", name, "--network", fleet.CONNECTED, "--resources", str(resources)]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        subprocess.run([sys.executable, str(BILLING), "stop", "--name", name], check=True)
        resources.unlink()


WHERE = rf"{HOST}, service refused-en: "
REFUSED_LICENSE = (
    rf"{WHERE}its license is missing, expired, altered or of another image or family; renew the license and bring image and license together "
    r"in one bundle\. /ready answers .*; the container said: .*Container does not have a valid disconnected container license.*"
)
NOT_READY = r"The fleet is not ready, see the table above; put it right, or leave a host out with --limit\. Nothing was changed\."

CASES = (
    Case(
        "unknown family",
        "export",
        rf"{WHERE}family sentimnt is unknown; did you mean sentiment\? Otherwise the families are .*, or add it below cognitive_families\.",
        [service(family="sentimnt")],
    ),
    Case(
        "missing tag",
        "export",
        rf'{WHERE}the tag is missing; write a version and a language, or latest \(English\), for example "3\.0-en"\.',
        [service(tag=None)],
    ),
    Case("bad memory", "export", rf"{WHERE}memory: 'lots' is not a size; write a number with a unit, for example 512m or 8g\.", [service(memory="lots")]),
    Case("bad port", "export", rf"{WHERE}the port 70000 is not a port; write a number from 1 to 65535 that is free on the host\.", [service(port=70000)]),
    Case(
        "one port for two",
        "export",
        rf"{HOST}, services refused-en and refused-2: both want port 5901; give each service of a host its own port\.",
        [service(), service(name="refused-2")],
    ),
    Case(
        "no resource",
        "export",
        rf"{HOST}: family sentiment has no Azure resource; add cognitive_resources\.sentiment with its endpoint and api_key\.",
        [service()],
        variables={"cognitive_resources": {}},
    ),
    Case(
        "wrong key",
        "export",
        rf"License of sentiment 3\.0-en: the key or the endpoint is wrong \(endpoint {GOOD_ENDPOINT}\); see Keys and Endpoint of the Azure resource\. "
        r"The container said: .*Api Key is invalid\.",
        [service()],
        variables=renewed(),
    ),
    Case(
        "unreachable endpoint",
        "export",
        r"License of sentiment 3\.0-en: it does not reach the endpoint \(endpoint https://nowhere\.cognitiveservices\.example\); "
        r"see the name, the proxy and the firewall between this machine and the endpoint\. The container said: .*",
        [service()],
        variables=renewed(endpoint="https://nowhere.cognitiveservices.example"),
    ),
    Case(
        "no signing key",
        "export",
        r"Signing key /.*/none is not there; make one with: ssh-keygen -t ed25519 -N '' -f /.*/none",
        [service()],
        variables={"cognitive_signing_key": "{place}/none"},
    ),
    Case(
        "no engine on the connected side",
        "export",
        r"No Docker Engine answers at unix:///none\.sock \(No such file or directory\); start it \(systemctl start docker\) and see that this user may use it\.",
        [service()],
        environment={"DOCKER_HOST": "unix:///none.sock"},
    ),
    Case(
        "altered blob",
        "site",
        r"/.*/bundle/blobs/sha256/[0-9a-f]{64} was altered: its checksum is not the one in the signed list; get it again from where the bundle was made\.",
        [service()],
        spoil=altered_blob,
    ),
    Case(
        "missing signature",
        "site",
        r"Bundle /.*/bundle is not signed: SHA256SUMS\.sig is missing; get it again from where the bundle was made\.",
        [service()],
        spoil=missing_signature,
    ),
    Case(
        "wrong signer",
        "site",
        r"/.*/bundle/SHA256SUMS is signed with key SHA256:\S+, which /.*/signers does not name( \(.*\))?; "
        r"get it from a signer that the file names, or add the key if you trust it\.",
        [service()],
        spoil=other_signers,
        variables={"cognitive_allowed_signers": "{place}/signers"},
    ),
    Case(
        "not in the bundle",
        "site",
        r"The bundle /.*/bundle lacks \S*textanalytics/sentiment:3\.1-en, license sentiment 3\.1-en; export it again with this inventory\. Nothing was changed\.",
        [service(tag="3.1-en")],
    ),
    Case(
        "no engine on a host",
        "site",
        NOT_READY,
        [service()],
        shows=rf"{HOST} error .*Docker Engine 20\.10 or later, and its SDK for Python none that answers No Docker Engine answers at the local socket",
        on_host="engine stop",
        on_host_after="engine start",
    ),
    Case(
        "disk too small",
        "site",
        NOT_READY,
        [service(family="vision-read", tag="3.2-model-2021-04-12")],
        shows=rf"{HOST} error .*room at {SMALL}/\.spool [0-9.]+ \S+ [0-9.]+ \S+ the layers that the host lacks",
        variables={"cognitive_root": SMALL},
        on_host=f"mkdir -p {SMALL} && mount -t tmpfs -o size=1m none {SMALL}",
        on_host_after=f"umount {SMALL} && rmdir {SMALL}",
    ),
    Case("license of another family", "site", REFUSED_LICENSE, [service()], spoil=license_of_another_family, export_first=True, deploys=True),
    Case(
        "expired license",
        "site",
        REFUSED_LICENSE,
        [service()],
        variables=renewed(endpoint=EXPIRED["endpoint"], api_key=EXPIRED["api_key"]),
        export_first=True,
        deploys=True,
    ),
)
