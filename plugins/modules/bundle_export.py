#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_export
short_description: Export images, licenses and models into a signed bundle
version_added: 0.1.0
description:
  - Brings a bundle up to date with what is named. The bundle is an OCI image layout, and a plain list of files with an SSH signature.
  - Each layer is in it once. Layers that the engine hands out plain are compressed once with C(zstd) while they stream.
  - Where nothing is new, nothing is read from the engine but the identities of the images, and nothing is written.
  - An export that fails leaves the earlier bundle as it was. No key or endpoint is ever inside.
author:
  - the airgap.cognitive authors
extends_documentation_fragment:
  - airgap.cognitive.attributes
  - airgap.cognitive.attributes.actiongroup_cognitive
  - airgap.cognitive.docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  path:
    description: Directory of the bundle.
    type: path
    required: true
  images:
    description: The images that it must hold.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Reference of the image.
        type: str
        required: true
      family:
        description: Family in the catalogue.
        type: str
        required: true
      tag:
        description: Tag of the image.
        type: str
        required: true
  trees:
    description: The license and model directories that it must hold, as M(airgap.cognitive.license_download) returns them.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: What it is.
        type: str
        choices: [license, models]
        required: true
      family:
        description: Family in the catalogue.
        type: str
        required: true
      tag:
        description: Tag of the image that it belongs to.
        type: str
        required: true
      image:
        description: Reference of that image.
        type: str
        required: true
      path:
        description: The directory.
        type: path
        required: true
      metadata:
        description: The record of the download.
        type: path
  signing_key:
    description: Private SSH key without a passphrase, or a public key whose private half the SSH agent holds.
    type: path
    required: true
  prune:
    description: Take out what is not named any more.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Export one image with its license
  airgap.cognitive.bundle_export:
    path: ./bundle
    images:
      - name: registry.example.com/azure-cognitive-services/textanalytics/sentiment:3.0-en
        family: sentiment
        tag: 3.0-en
    trees: "{{ license_downloads.trees }}"
    signing_key: ~/.ssh/bundle-signing
"""

RETURN = r"""
reasons:
  description: Why the bundle was written; empty where it is as it should be.
  returned: success
  type: list
  elements: str
bundle:
  description: Identity and contents of the bundle.
  returned: success
  type: dict
rows:
  description: For each image C(family), C(tag), C(image), when its C(license) was downloaded, and its declared C(ends).
  returned: success
  type: list
  elements: dict
written_bytes:
  description: Bytes that were written.
  returned: success
  type: int
"""

import contextlib
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_directory import BundleDirectory
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_export import Export, WantedImage
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_tree import TreeSource
from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine
from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import SshSigner
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size

IMAGE_OPTIONS = {key: {"type": "str", "required": True} for key in ("name", "family", "tag")}
TREE_OPTIONS = {
    "kind": {"type": "str", "choices": ["license", "models"], "required": True},
    "family": {"type": "str", "required": True},
    "tag": {"type": "str", "required": True},
    "image": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
    "metadata": {"type": "path"},
}


def work(params: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Bring the bundle up to date."""
    signer = SshSigner(params["signing_key"])
    engine = Engine(params["docker_host"])
    directory = BundleDirectory(params["path"])
    with contextlib.nullcontext() if check_mode else directory.locked():
        images = [WantedImage(**image) for image in params["images"]]
        export = Export(directory, engine, images, [TreeSource(**tree) for tree in params["trees"]], signer, params["prune"])
        reasons, difference = export.reasons(), export.difference()
        written = export.run() if reasons and not check_mode else 0
    return {
        "changed": bool(reasons),
        "reasons": reasons,
        "msg": _message(params["path"], reasons, written, check_mode),
        "bundle": directory.bundle.summary if directory.bundle else {},
        "rows": _rows(directory.bundle),
        "written_bytes": written,
        "diff": difference,
    }


def _message(path: str, reasons: list[str], written: int, check_mode: bool) -> str:
    if not reasons:
        return f"The bundle {path} is as it should be, nothing was written."
    if check_mode:
        return f"The bundle {path} would be written: {reasons[0]}."
    return f"The bundle {path} was written, {format_size(written)} new."


def _rows(bundle: Bundle | None) -> list[dict[str, t.Any]]:
    if bundle is None:
        return []
    licenses = {(tree["family"], tree["tag"]): tree for tree in bundle.trees("license")}
    rows = []
    for image in bundle.images():
        tree = licenses.get((image["family"], image["tag"]))
        license_, ends = (tree["downloaded"], tree["ends"]) if tree else ("none", None)
        rows.append({"family": image["family"], "tag": image["tag"], "license": license_, "ends": ends or "unknown", "image": image["name"]})
    return rows


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "images": {"type": "list", "elements": "dict", "required": True, "options": IMAGE_OPTIONS},
            "trees": {"type": "list", "elements": "dict", "default": [], "options": TREE_OPTIONS},
            "signing_key": {"type": "path", "required": True, "no_log": False},
            "prune": {"type": "bool", "default": True},
            "docker_host": {"type": "str"},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: work(module.params, module.check_mode))


if __name__ == "__main__":
    main()
