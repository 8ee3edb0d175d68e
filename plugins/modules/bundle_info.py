#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_info
short_description: Say what a bundle holds
version_added: 0.1.0
author:
  - The airgap.cognitive authors (@airgap)
description:
  - Reads the documents of a bundle, and returns its images with their layers and its license and model trees with their files.
  - This does not check whether the bundle may be trusted. M(airgap.cognitive.bundle_verify) does, and comes first.
extends_documentation_fragment:
  - airgap.cognitive.attributes.info
options:
  path:
    description: The directory of the bundle.
    type: path
    required: true
seealso:
  - module: airgap.cognitive.bundle_export
  - module: airgap.cognitive.bundle_verify
"""

EXAMPLES = r"""
- name: See what is in the bundle
  airgap.cognitive.bundle_info:
    path: /media/usb/bundle
  register: bundle

- name: Name its images
  ansible.builtin.debug:
    msg: "{{ bundle.images | map(attribute='name') }}"
"""

RETURN = r"""
bundle:
  description: Identity and contents in a few words.
  returned: success
  type: dict
  sample:
    id: 4c0ffee0d15ea5e5
    created: "2026-11-24T22:00:00Z"
    tool: airgap.cognitive 0.1.0
    images: ["azure-cognitive-services/textanalytics/sentiment:3.0-en"]
    licenses: [sentiment 3.0-en]
    models: []
images:
  description: The images, each with its digests and layers.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the image with its tag.
      type: str
    family:
      description: Family of containers that it is for.
      type: str
    tag:
      description: Its tag, as services name it.
      type: str
    platform:
      description: What it runs on.
      type: str
      sample: linux/amd64
    manifest:
      description: Digest of its manifest.
      type: str
    config:
      description: Digest of its configuration.
      type: str
    layers:
      description: Its layers, base first.
      type: list
      elements: dict
      contains:
        digest:
          description: Digest of the blob that holds the layer.
          type: str
        diff_id:
          description: Digest of the uncompressed layer.
          type: str
        size:
          description: Size of the blob in bytes.
          type: int
        media_type:
          description: Media type of the blob.
          type: str
        raw_size:
          description: Size of the uncompressed layer in bytes, where it is known.
          type: int
    source:
      description: Where its layers came from, V(engine) or V(registry).
      type: str
      sample: engine
    source_id:
      description: Its ID in the engine that it was exported from, or the digest by which its registry serves the tag.
      type: str
trees:
  description: The licenses and models, each with its files.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: What the tree is, V(license) or V(models).
      type: str
    family:
      description: Family of containers that it is for.
      type: str
    tag:
      description: Tag of the image that it is for.
      type: str
    image:
      description: Name of the image that it is for.
      type: str
    config:
      description: Digest of the configuration of that image.
      type: str
    manifest:
      description: Digest of the tree's manifest.
      type: str
    downloaded:
      description: When it was downloaded.
      type: str
    ends:
      description: When the license ends, where that was declared.
      type: str
    directories:
      description: Its directories.
      type: list
      elements: str
    files:
      description: Its files, each with C(path), C(digest) and C(size).
      type: list
      elements: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module


def look(module: AnsibleModule) -> dict[str, t.Any]:
    """What the bundle holds."""
    bundle = Bundle(module.params["path"])
    return {"changed": False, "bundle": bundle.summary, "images": bundle.images(), "trees": bundle.trees()}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec={"path": {"type": "path", "required": True}}, supports_check_mode=True)
    run_module(module, lambda: look(module))


if __name__ == "__main__":
    main()
