# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _registry
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._registry import Registry, pick, refusal, repository_of

NAME = "r.example:5000/a/b:1"


@pytest.fixture
def skopeo(tmp_path, monkeypatch):
    """A program of that name which writes down how it was called."""

    def make(script: str = "") -> None:
        (tmp_path / "skopeo").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/called\n{script}\n')
        (tmp_path / "skopeo").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    make()
    return make


def called(tmp_path) -> list[str]:
    return (tmp_path / "called").read_text().splitlines()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("reading manifest 1 in r/a: manifest unknown: manifest unknown", "its registry does not have it; look at the name and the tag"),
        ("reading manifest 1 in r/a: unauthorized: authentication required", "the registry refuses these credentials"),
        ("requested access to the resource is denied", "the registry refuses these credentials"),
        ('Get "https://r/v2/": x509: certificate signed by unknown authority', "the certificate of the registry is not trusted"),
        ('Get "https://r/v2/": http: server gave HTTP response to HTTPS client', "the registry does not speak TLS"),
        ('Get "https://r/v2/": dial tcp: lookup r: no such host', "its registry does not answer, or broke off"),
        ("writing blob: write /x/.fetch/oci-put-blob1: no space left on device", "no room is left; make room"),
        ("something new", "skopeo could not fetch it; see what it said: something new"),
    ],
)
def test_what_skopeo_says_is_told_as_cause_and_cure(said, sentence):
    escaped = said.replace('"', '\\"')
    error = refusal(NAME, f'time="x" level=warning msg="Failed, retrying"\ntime="x" level=fatal msg="{escaped}"\n', 1)
    assert str(error).startswith(f"Image {NAME}: {sentence}") and str(error).endswith(said) and "\n" not in str(error)


def test_signed_addresses_stay_out_of_messages():
    error = refusal(NAME, 'time="x" level=fatal msg="Get \\"https://store/blob?sig=SECRET&se=1\\": EOF"', 1)
    assert "SECRET" not in str(error) and 'Get "https://store/blob": EOF' in str(error)
    assert str(refusal(NAME, "", -9)).endswith("it ended with -9")


def test_options(skopeo, tmp_path):
    (tmp_path / "auth.json").touch()
    registry = Registry(str(tmp_path / "auth.json"), False, str(tmp_path), 7)
    registry.manifest(NAME)
    options = ["--retry-times", "7", "--tls-verify=false", "--authfile", str(tmp_path / "auth.json"), "--cert-dir", str(tmp_path)]
    assert called(tmp_path) == ["inspect", "--raw", *options, f"docker://{NAME}"]
    registry.config(NAME)
    assert called(tmp_path) == ["inspect", "--config", "--raw", *options, f"docker://{NAME}"]
    with open(tmp_path / "auth.json") as held:
        registry.copy(NAME, str(tmp_path), "blobs", "scratch", held.fileno())
    source = ["--retry-times", "7", "--src-tls-verify=false", "--src-authfile", str(tmp_path / "auth.json"), "--src-cert-dir", str(tmp_path)]
    target = ["--dest-shared-blob-dir", "blobs", "--dest-oci-accept-uncompressed-layers"]
    assert called(tmp_path) == ["copy", "--quiet", *source, *target, f"docker://{NAME}", "oci:scratch:image"]
    Registry().manifest(NAME)
    assert called(tmp_path) == ["inspect", "--raw", "--retry-times", "3", f"docker://{NAME}"]


def test_what_it_prints_is_passed_on_as_it_is(skopeo):
    skopeo("printf ' {}\\n\\n'")
    assert Registry().manifest(NAME) == b" {}\n\n"
    skopeo("echo boom >&2; exit 3")
    with pytest.raises(CognitiveError, match="skopeo could not fetch it; see what it said: boom"):
        Registry().config(NAME)


def test_a_layer_that_breaks_off_is_asked_for_again(skopeo, tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr(_registry.time, "sleep", pauses.append)
    broken = 'level=fatal msg="writing blob: happened during read: unexpected EOF"'
    skopeo(f"echo x >> {tmp_path}/count; test $(wc -l < {tmp_path}/count) -gt 2 || {{ echo '{broken}' >&2; exit 1; }}")
    with open(tmp_path / "skopeo") as held:
        Registry(retries=3).copy(NAME, str(tmp_path), "blobs", "scratch", held.fileno())
        assert pauses == [1, 2]
        (tmp_path / "count").unlink()
        with pytest.raises(CognitiveError, match="its registry does not answer, or broke off; .* what came whole is kept"):
            Registry(retries=1).copy(NAME, str(tmp_path), "blobs", "scratch", held.fileno())
        # skopeo itself has asked again by then.
        skopeo(f"echo x >> {tmp_path}/count; echo 'level=fatal msg=\"pinging: connection refused\"' >&2; exit 1")
        (tmp_path / "count").unlink()
        with pytest.raises(CognitiveError, match="does not answer"):
            Registry(retries=3).copy(NAME, str(tmp_path), "blobs", "scratch", held.fileno())
    assert (tmp_path / "count").read_text() == "x\n"


def test_bad_options(tmp_path, monkeypatch):
    for options, says in (
        ({"authfile": "/nowhere"}, "File of credentials /nowhere is not there"),
        ({"ca_dir": "/nowhere"}, "Directory of certificates /nowhere is not there"),
        ({"retries": -1}, "retries is how many times more"),
    ):
        with pytest.raises(CognitiveError, match=says):
            Registry(**options)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CognitiveError, match="The program skopeo is missing here"):
        Registry().manifest(NAME)


def test_references():
    assert repository_of(NAME) == "r.example:5000/a/b" and repository_of("a:1") == "a"
    for bad in ("a", "r:5000/a", "a@sha256:" + "0" * 64, "-a:1\n", "a b:1", "", ":1", "a:1/b", "a:-x"):
        with pytest.raises(CognitiveError, match="is not a reference with a tag"):
            repository_of(bad)


def test_picking_a_platform():
    def entry(digit: str, **platform: str) -> dict[str, object]:
        return {"digest": "sha256:" + digit * 64, "size": 1, "platform": platform}

    entries = [
        entry("0", os="unknown", architecture="unknown"),
        entry("1", os="linux", architecture="arm", variant="v7"),
        entry("2", os="linux", architecture="amd64", variant="v3"),
        entry("3", os="linux", architecture="amd64"),
        entry("4", os="windows", architecture="amd64"),
    ]
    found = {platform: pick({"manifests": entries}, platform) for platform in ("linux/amd64", "linux/amd64/v3", "linux/arm", "linux/arm/v6", "linux/arm64")}
    assert [digest and digest[7] for digest in found.values()] == ["3", "2", "1", None, None]
