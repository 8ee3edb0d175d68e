# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import BUNDLE_NAMESPACE, SshSigner, SshVerifier
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_place import make_key

DOCUMENT = b"one  two\n"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    root = tmp_path_factory.mktemp("keys")
    for name in ("ours", "theirs"):
        make_key(root / name)
    make_key(root / "locked", "a passphrase")
    return root


def public(keys, name: str) -> str:
    return (keys / f"{name}.pub").read_text()


def allowed(tmp_path, text: str) -> str:
    path = tmp_path / "allowed_signers"
    path.write_text(text)
    return str(path)


def test_what_is_signed_verifies(keys, tmp_path):
    signature = SshSigner(str(keys / "ours")).sign(DOCUMENT)
    who = SshVerifier(allowed(tmp_path, f"other {public(keys, 'theirs')}me@here {public(keys, 'ours')}"))
    assert who.verify(DOCUMENT, signature, "LIST") == "me@here"


def test_ssh_keygen_by_hand_says_the_same(keys, tmp_path):
    (tmp_path / "sig").write_bytes(SshSigner(str(keys / "ours")).sign(DOCUMENT))
    signers = allowed(tmp_path, f'me namespaces="{BUNDLE_NAMESPACE}" {public(keys, "ours")}')
    subprocess.run(["ssh-keygen", "-Y", "verify", "-f", signers, "-I", "me", "-n", BUNDLE_NAMESPACE, "-s", str(tmp_path / "sig")], input=DOCUMENT, check=True)


def test_a_signer_knows_its_own_signature(keys):
    ours, theirs = SshSigner(str(keys / "ours")), SshSigner(str(keys / "theirs"))
    signature = ours.sign(DOCUMENT)
    assert ours.has_signed(DOCUMENT, signature)
    assert not theirs.has_signed(DOCUMENT, signature)
    assert not ours.has_signed(DOCUMENT + b"x", signature)
    assert not ours.has_signed(DOCUMENT, b"")


def test_the_public_half_needs_the_agent(keys, monkeypatch, tmp_path):
    (tmp_path / "only.pub").write_text(public(keys, "ours"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(CognitiveError, match="cannot sign"):
        SshSigner(str(tmp_path / "only.pub")).sign(DOCUMENT)


@pytest.mark.parametrize(
    "text, signer, expected",
    [
        ("THEIRS", None, "which .* does not name"),
        ("", None, "which .* does not name"),
        ("me garbage\n", None, "missing key"),
        ('me valid-before="20200101" OURS', None, "expired"),
        ('me namespaces="file" OURS', None, "does not let that key sign as me"),
        ("me OURS", "you", "does not let that key sign as you"),
        ("me THEIRS", "me", "does not let that key sign as me"),
        ("*@here OURS", None, "by a pattern only"),
    ],
)
def test_who_may_not_sign_is_refused(keys, tmp_path, text, signer, expected):
    signature = SshSigner(str(keys / "ours")).sign(DOCUMENT)
    signers = allowed(tmp_path, text.replace("OURS", public(keys, "ours")).replace("THEIRS", f"x {public(keys, 'theirs')}" if text == "THEIRS" else public(keys, "theirs")))
    with pytest.raises(CognitiveError, match=expected):
        SshVerifier(signers, signer).verify(DOCUMENT, signature, "LIST")


def test_a_pattern_lets_a_named_signer_pass(keys, tmp_path):
    signature = SshSigner(str(keys / "ours")).sign(DOCUMENT)
    assert SshVerifier(allowed(tmp_path, f"*@here {public(keys, 'ours')}"), "a@here").verify(DOCUMENT, signature, "LIST") == "a@here"


@pytest.mark.parametrize("change", ["document", "signature", "namespace", "empty"])
def test_what_does_not_match_is_refused(keys, tmp_path, change):
    signature = SshSigner(str(keys / "ours"), "another" if change == "namespace" else BUNDLE_NAMESPACE).sign(DOCUMENT)
    document = DOCUMENT[:-1] if change == "document" else DOCUMENT
    if change == "signature":
        signature = signature.replace(b"U1NIU0lHAAAA", b"U1NIU0lHAAAB", 1)
    with pytest.raises(CognitiveError, match="LIST does not match its signature"):
        SshVerifier(allowed(tmp_path, f"me {public(keys, 'ours')}")).verify(document, b"" if change == "empty" else signature, "LIST")


def test_a_signature_that_ssh_keygen_would_let_pass_is_refused(keys, tmp_path):
    signature = SshSigner(str(keys / "ours")).sign(DOCUMENT)
    verifier = SshVerifier(allowed(tmp_path, f"me {public(keys, 'ours')}"))
    for position, byte in enumerate(signature):
        if byte == ord("\n"):
            with pytest.raises(CognitiveError, match="does not match its signature"):
                verifier.verify(DOCUMENT, signature[:position] + b"\x0b" + signature[position + 1 :], "LIST")


def test_a_file_that_is_not_there(keys, tmp_path):
    with pytest.raises(CognitiveError, match="Allowed-signers file .*/none is not there; write one line"):
        SshVerifier(str(tmp_path / "none"))
    with pytest.raises(CognitiveError, match="Signing key .*/none is not there; make one with"):
        SshSigner(str(tmp_path / "none"))


def test_a_key_with_a_passphrase_is_refused_and_not_waited_for(keys):
    with pytest.raises(CognitiveError, match="passphrase"):
        SshSigner(str(keys / "locked")).sign(DOCUMENT)


def test_a_key_that_others_may_read_is_refused(keys, tmp_path):
    key = make_key(tmp_path / "open")
    key.chmod(0o644)
    with pytest.raises(CognitiveError, match="0644 for .* are too open"):
        SshSigner(str(key)).sign(DOCUMENT)


def test_what_is_no_key_is_refused(tmp_path):
    (tmp_path / "note").write_text("hello")
    with pytest.raises(CognitiveError, match="is not an SSH key"):
        SshSigner(str(tmp_path / "note")).has_signed(DOCUMENT, b"")


def test_the_program_is_missing(keys, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CognitiveError, match="ssh-keygen is missing here; install"):
        SshSigner(str(keys / "ours")).sign(DOCUMENT)
