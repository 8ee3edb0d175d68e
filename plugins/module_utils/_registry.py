# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""A registry, through the program skopeo: it knows the ways to log in, proxies and mirrors, and when to try again.

Manifests and configs are taken exactly as they are served. Copied into an OCI layout, as layers are, those of
Docker's own format would be written anew, and would have other digests than the registry says.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError

_REFERENCE = re.compile(r"[^\s:@/][^\s@]*:[A-Za-z0-9_][A-Za-z0-9_.-]*")
# What skopeo is known to say, in the order in which it is looked for: cause and cure.
_REFUSALS = (
    (r"no space left on device", "no room is left", "make room, then run this again"),
    (r"server gave HTTP response to HTTPS client", "the registry does not speak TLS", "name one that does, or allow it with tls_verify: false"),
    (r"x509|certificate", "the certificate of the registry is not trusted", "name a directory with that of its authority as ca_dir"),
    (
        r"unauthorized|authentication required|invalid username/password|\bdenied\b|status: 40[13]\b|requested access",
        "the registry refuses these credentials",
        "log in with skopeo login --authfile FILE, and name that file as authfile",
    ),
    (r"(manifest|name|repository name) (unknown|not known)|not found|status: 404", "its registry does not have it", "look at the name and the tag"),
    (
        r"connection refused|no such host|i/o timeout|no route to host|network is unreachable|connection reset|TLS handshake timeout|unexpected EOF|\bEOF\b",
        "its registry does not answer, or broke off",
        "see that this machine reaches it, then run this again; what came whole is kept",
    ),
)

# Said only once a layer has begun to come.
_WITHIN = r"happened during read: (unexpected EOF|.*connection reset|.*timeout)"


class BrokenOff(CognitiveError):
    """The registry stopped in the middle of a layer. skopeo asks again where there is no answer, but not then."""


def repository_of(reference: str) -> str:
    """C(reference) without its tag."""
    if not _REFERENCE.fullmatch(reference) or "/" in reference.rpartition(":")[2]:
        raise CognitiveError(f"Image {reference!r} is not a reference with a tag; write it as registry.example.com/repository:tag.")
    return reference.rpartition(":")[0]


class Registry:
    """The registries that references name."""

    def __init__(self, authfile: str | None = None, tls_verify: bool = True, ca_dir: str | None = None, retries: int = 3) -> None:
        if authfile and not os.path.isfile(authfile):
            raise CognitiveError(f"File of credentials {authfile} is not there; make it with skopeo login --authfile {authfile}.")
        if ca_dir and not os.path.isdir(ca_dir):
            raise CognitiveError(f"Directory of certificates {ca_dir} is not there; name one that holds the certificate of the registry's authority as a .crt file.")
        if retries < 0:
            raise CognitiveError("retries is how many times more a registry is asked; write a number that is not below zero.")
        self._authfile = authfile
        self._tls_verify = tls_verify
        self._ca_dir = ca_dir
        self._retries = retries

    def manifest(self, reference: str) -> bytes:
        """The manifest, or list of manifests, that C(reference) stands for, byte by byte."""
        return self._run(reference, ["inspect", "--raw", *self._options(""), f"docker://{reference}"])

    def config(self, reference: str) -> bytes:
        """The config of the image C(reference), byte by byte."""
        return self._run(reference, ["inspect", "--config", "--raw", *self._options(""), f"docker://{reference}"])

    def copy(self, reference: str, directory: str, blobs: str, scratch: str, held: int) -> None:
        """Bring the layers of an image into C(blobs), several at a time; those that are there under their names are taken as they are.

        C(blobs) and C(scratch) are relative to C(directory). C(held) stays open in skopeo, also if this process is killed.
        """
        options = ["--quiet", *self._options("src-"), "--dest-shared-blob-dir", blobs, "--dest-oci-accept-uncompressed-layers"]
        for attempt in range(self._retries + 1):
            try:
                self._run(reference, ["copy", *options, f"docker://{reference}", f"oci:{scratch}:image"], cwd=directory, pass_fds=(held,))
                return
            except BrokenOff:
                if attempt == self._retries:
                    raise
                time.sleep(2**attempt)

    def _options(self, prefix: str) -> list[str]:
        options = ["--retry-times", str(self._retries)]
        if not self._tls_verify:
            options.append(f"--{prefix}tls-verify=false")
        if self._authfile:
            options += [f"--{prefix}authfile", os.path.abspath(self._authfile)]
        if self._ca_dir:
            options += [f"--{prefix}cert-dir", os.path.abspath(self._ca_dir)]
        return options

    def _run(self, reference: str, arguments: list[str], **options: t.Any) -> bytes:
        try:
            done = subprocess.run(["skopeo", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False, **options)
        except FileNotFoundError as error:
            raise CognitiveError("The program skopeo is missing here; install the distribution's package skopeo.") from error
        if done.returncode:
            raise refusal(reference, done.stderr.decode(errors="replace"), done.returncode)
        return done.stdout


def refusal(reference: str, said: str, code: int) -> CognitiveError:
    """One sentence out of what skopeo said."""
    lines = said.strip().splitlines()
    last = lines[-1] if lines else f"it ended with {code}"
    message = re.search(r'msg="((?:[^"\\]|\\.)*)"', last)
    # The address of a blob can hold a signature that lets anybody read it.
    text = re.sub(r"\?[^\s\"\\]*", "", message.group(1) if message else last).replace('\\"', '"')[:600]
    for pattern, cause, cure in _REFUSALS:
        if re.search(pattern, text):
            return (BrokenOff if re.search(_WITHIN, text) else CognitiveError)(f"Image {reference}: {cause}; {cure}. skopeo said: {text}")
    return CognitiveError(f"Image {reference}: skopeo could not fetch it; see what it said: {text}")


def pick(document: t.Mapping[str, t.Any], platform: str) -> str | None:
    """The digest that a list of manifests has for C(platform) (C(linux/amd64), C(linux/arm/v7)); one without a variant is the plain one."""
    wanted = (platform.split("/") + ["", ""])[:3]
    found = []
    listed = document.get("manifests")
    for entry in listed if isinstance(listed, list) else []:
        of = entry.get("platform") if isinstance(entry, dict) else None
        if isinstance(of, dict) and [of.get("os"), of.get("architecture")] == wanted[:2] and wanted[2] in ("", of.get("variant", "")):
            found.append((of.get("variant", ""), _oci.descriptor_parts(entry, "Its list of platforms")[0]))
    return min(found)[1] if found else None
