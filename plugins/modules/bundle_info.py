#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_info
short_description: Say what a bundle holds
version_added: 0.1.0
description:
  - Returns images with their layers, and license and model trees with their files, by the bundle's own account.
  - It does not judge whether the bundle may be trusted; M(airgap.cognitive.bundle_verify) does.
author:
  - the airgap.cognitive authors
extends_documentation_fragment:
  - airgap.cognitive.attributes.info
  - airgap.cognitive.attributes.actiongroup_cognitive
options:
  path:
    description: Directory of the bundle.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Read what the bundle holds
  airgap.cognitive.bundle_info:
    path: ./bundle
  register: content
"""

RETURN = r"""
bundle:
  description: Identity and contents in a few words.
  returned: success
  type: dict
images:
  description: Each image with its C(name), C(manifest), C(config) and C(layers).
  returned: success
  type: list
  elements: dict
trees:
  description: Each tree with its C(kind), C(family), C(tag), C(image), C(files), and when it was C(downloaded) and C(ends).
  returned: success
  type: list
  elements: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module


def work(path: str) -> dict[str, t.Any]:
    """All that the bundle says of itself."""
    bundle = Bundle(path)
    return {"changed": False, "bundle": bundle.summary, "images": bundle.images(), "trees": bundle.trees()}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec={"path": {"type": "path", "required": True}}, supports_check_mode=True)
    run_module(module, lambda: work(module.params["path"]))


if __name__ == "__main__":
    main()
