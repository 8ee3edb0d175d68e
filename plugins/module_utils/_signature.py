# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Signing and verifying a document, behind one small interface.

SSH signatures (C(ssh-keygen -Y)), because every control node and every staging machine has the
program, so that nothing has to be carried for it, and anyone can check a bundle by hand.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError

# A signature made for another purpose cannot be passed off as one of these.
BUNDLE_NAMESPACE = "airgap.cognitive.bundle"

_FINGERPRINT = re.compile(r"(SHA256:[A-Za-z0-9+/]+)")
# ssh-keygen overlooks some changed bytes between the lines; a signature that is not as it was written is not one.
_ARMOR = re.compile(rb"-----BEGIN SSH SIGNATURE-----\n(?:[A-Za-z0-9+/]+={0,2}\n)+-----END SSH SIGNATURE-----\n?")
_PATTERN_CHARACTERS = set("*?!")


class Signer(t.Protocol):
    """Makes signatures."""

    def sign(self, document: bytes) -> bytes:
        """The signature of C(document)."""

    def has_signed(self, document: bytes, signature: bytes) -> bool:
        """Whether C(signature) is this signer's, for this very document."""


class Verifier(t.Protocol):
    """Judges signatures."""

    def verify(self, document: bytes, signature: bytes, where: str) -> str:
        """Who signed C(document) (read from C(where)); raises where it is not somebody that may."""

    def verify_all(self, document: bytes, signatures: t.Sequence[bytes], where: str) -> list[str]:
        """Everybody who signed it; raises where one signature is not in order, or somebody's is lacking."""


class SshSigner:
    """Signs with an SSH key: a private key without a passphrase, or a public key whose private half is in the agent."""

    def __init__(self, key: str, namespace: str = BUNDLE_NAMESPACE) -> None:
        self.key = key
        self.namespace = namespace
        if not os.path.isfile(key):
            raise CognitiveError(f"Signing key {key} is not there; make one with: ssh-keygen -t ed25519 -N '' -f {key}")

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the key."""
        answer = _ssh_keygen(["-l", "-f", self.key])
        match = _FINGERPRINT.search(answer.stdout.decode(errors="replace"))
        if answer.returncode or match is None:
            raise CognitiveError(f"Signing key {self.key} is not an SSH key{_reason(answer)}; name a private key that ssh-keygen made.")
        return match.group(1)

    def sign(self, document: bytes) -> bytes:
        """The signature of C(document)."""
        answer = _ssh_keygen(["-Y", "sign", "-q", "-f", self.key, "-n", self.namespace], document)
        if answer.returncode or not answer.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
            raise CognitiveError(
                f"Signing key {self.key} cannot sign{_reason(answer)}; it must be a private key without a passphrase that only its owner "
                "can read (mode 0600), or a public key whose private half the SSH agent holds."
            )
        return answer.stdout

    def has_signed(self, document: bytes, signature: bytes) -> bool:
        """Whether C(signature) is this signer's, for this very document."""
        return _signed_with(document, signature, self.namespace) == self.fingerprint


class SshVerifier:
    """Judges by an allowed-signers file as C(ssh-keygen(1\\)) describes it."""

    def __init__(self, allowed_signers: str, signer: str | None = None, namespace: str = BUNDLE_NAMESPACE, signers_needed: int = 1) -> None:
        self.allowed_signers = allowed_signers
        self.signer = signer
        self.namespace = namespace
        self.signers_needed = signers_needed
        if not os.path.isfile(allowed_signers):
            raise CognitiveError(
                f"Allowed-signers file {allowed_signers} is not there; write one line in it for each key that may sign: "
                f'NAME namespaces="{namespace}" PUBLIC-KEY'
            )

    def verify(self, document: bytes, signature: bytes, where: str) -> str:
        """Who signed C(document) (read from C(where)); raises where it is not somebody that may."""
        return self._verify(document, signature, where, self.signer)

    def verify_all(self, document: bytes, signatures: t.Sequence[bytes], where: str) -> list[str]:
        """Everybody who signed it; raises where one signature is not in order, or somebody's is lacking."""
        if len(signatures) == 1 and self.signers_needed <= 1:
            return [self.verify(document, signatures[0], where)]
        names = list(dict.fromkeys(self._verify(document, signature, where, None) for signature in signatures))
        if self.signer and self.signer not in names:
            raise CognitiveError(f"{where} is signed by {', '.join(names)}, and {self.signer} must have signed it; have it signed by that signer too.")
        if len(names) < self.signers_needed:
            raise CognitiveError(f"{where} is signed by {', '.join(names)} only, and {self.signers_needed} different signers must sign it; have it signed by more.")
        return names

    def _verify(self, document: bytes, signature: bytes, where: str, signer: str | None) -> str:
        fingerprint = _signed_with(document, signature, self.namespace)
        if fingerprint is None:
            raise CognitiveError(f"{where} does not match its signature: it or the signature was altered or cut short; get both again from where they were made.")
        with _signature_file(signature) as path:
            name = signer or self._principal(path, document, fingerprint, where)
            answer = _ssh_keygen(["-Y", "verify", "-f", self.allowed_signers, "-I", name, "-n", self.namespace, "-s", path], document)
        if answer.returncode:
            raise CognitiveError(
                f"{where} is signed with key {fingerprint}, and {self.allowed_signers} does not let that key sign as {name}{_reason(answer)}; "
                "get it from the right signer, or have the file corrected."
            )
        return name

    def _principal(self, path: str, document: bytes, fingerprint: str, where: str) -> str:
        answer = _ssh_keygen(["-Y", "find-principals", "-s", path, "-f", self.allowed_signers], document)
        names = [name for line in answer.stdout.decode(errors="replace").splitlines() for name in line.split(",") if name]
        if answer.returncode or not names:
            raise CognitiveError(
                f"{where} is signed with key {fingerprint}, which {self.allowed_signers} does not name{_reason(answer)}; "
                "get it from a signer that the file names, or add the key if you trust it."
            )
        plain = [name for name in names if not _PATTERN_CHARACTERS & set(name)]
        if not plain:
            raise CognitiveError(f"{self.allowed_signers} names key {fingerprint} by a pattern only ({names[0]}); say which signer is meant with the option signer.")
        return plain[0]


class RememberingVerifier:
    """Asks C(verifier) once for the same document with the same signature: the volumes of a bundle all carry its list."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._known: dict[tuple[str, bytes], str] = {}
        self._all: dict[tuple[str, bytes], list[str]] = {}

    def verify(self, document: bytes, signature: bytes, where: str) -> str:
        """Who signed C(document) (read from C(where)); raises where it is not somebody that may."""
        key = (hashlib.sha256(document).hexdigest(), signature)
        if key not in self._known:
            self._known[key] = self._verifier.verify(document, signature, where)
        return self._known[key]

    def verify_all(self, document: bytes, signatures: t.Sequence[bytes], where: str) -> list[str]:
        """Everybody who signed it; raises where one signature is not in order, or somebody's is lacking."""
        key = (hashlib.sha256(document).hexdigest(), b"\n\n".join(signatures))
        if key not in self._all:
            self._all[key] = self._verifier.verify_all(document, signatures, where)
        return self._all[key]


def _signed_with(document: bytes, signature: bytes, namespace: str) -> str | None:
    """Fingerprint of the key that made C(signature) for C(document), None where it is no signature for it."""
    if not _ARMOR.fullmatch(signature):
        return None
    with _signature_file(signature) as path:
        answer = _ssh_keygen(["-Y", "check-novalidate", "-n", namespace, "-s", path], document)
    match = _FINGERPRINT.search(answer.stdout.decode(errors="replace"))
    return match.group(1) if match and answer.returncode == 0 else None


class _signature_file:  # pylint: disable=invalid-name
    """A signature in a temporary file, because ssh-keygen takes it by name only."""

    def __init__(self, signature: bytes) -> None:
        self._file = tempfile.NamedTemporaryFile(prefix="airgap-cognitive-", suffix=".sig")  # pylint: disable=consider-using-with
        self._file.write(signature)
        self._file.flush()

    def __enter__(self) -> str:
        return self._file.name

    def __exit__(self, *_error: object) -> None:
        self._file.close()


def _ssh_keygen(arguments: list[str], document: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    # Without a terminal and without an askpass program a passphrase is an error, not a question that waits for ever.
    environment = dict(os.environ, LC_ALL="C", SSH_ASKPASS_REQUIRE="never")
    environment.pop("SSH_ASKPASS", None)
    try:
        return subprocess.run(["ssh-keygen", *arguments], input=document, capture_output=True, env=environment, start_new_session=True, check=False)
    except FileNotFoundError as error:
        raise CognitiveError("The program ssh-keygen is missing here; install the distribution's openssh-client.") from error


def _reason(answer: subprocess.CompletedProcess[bytes]) -> str:
    """The line of ssh-keygen's answer that says most, in brackets."""
    lines = [line.strip(" .@\r") for line in answer.stderr.decode(errors="replace").splitlines()]
    lines = [line for line in lines if line and line not in ("Could not verify signature", "Signing data on standard input")]
    telling = [line for line in lines if "too open" in line or "expired" in line or "passphrase" in line]
    return f" ({(telling or lines)[0]})" if lines else ""
