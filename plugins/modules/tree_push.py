#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tree_push
short_description: Put license and model directories of a bundle in place on a host
version_added: 0.1.0
description:
  - Sends only the files that the host lacks, and puts each directory in place whole, built beside and renamed, with owner and modes.
  - Nothing in a license directory is renamed, rewritten or parsed. A directory that holds other files than the bundle says is replaced.
  - A container that runs keeps the directory that it started with; run it again to let it see the new one.
author:
  - the airgap.cognitive authors
extends_documentation_fragment:
  - airgap.cognitive.attributes
  - airgap.cognitive.attributes.action
  - airgap.cognitive.attributes.actiongroup_cognitive
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  bundle:
    description: Directory of the bundle, on the controller; verify it first with M(airgap.cognitive.bundle_verify).
    type: path
    required: true
  trees:
    description: The directories to put in place.
    type: list
    elements: dict
    required: true
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
      dest:
        description: Where it goes on the host.
        type: path
        required: true
      owner:
        description: ID of the user that owns it.
        type: int
        default: 65532
      group:
        description: ID of the group that owns it.
        type: int
        default: 65532
      mode:
        description: Mode of its files, octal.
        type: str
        default: "0440"
      directory_mode:
        description: Mode of its directories, octal.
        type: str
        default: "0550"
  spool:
    description: Directory of the host where files wait for their place.
    type: path
    default: /var/lib/cognitive/.spool
  request_dir:
    description:
      - Directory on the controller for a request, which is written there where the host lacks what the bundle does not hold either.
      - M(airgap.cognitive.bundle_export) turns it into a bundle that brings just that (O(airgap.cognitive.bundle_export#module:against)).
    type: path
"""

EXAMPLES = r"""
- name: Put a license in place
  airgap.cognitive.tree_push:
    bundle: ./bundle
    trees:
      - kind: license
        family: sentiment
        tag: 3.0-en
        dest: /var/lib/cognitive/sentiment-en/license
        owner: 65532
        group: 65532
        mode: "0440"
        directory_mode: "0550"
"""

RETURN = r"""
trees:
  description: What each directory needed.
  returned: success
  type: list
  elements: dict
  contains:
    dest:
      description: The directory.
      type: str
    changed:
      description: Whether it was put in place.
      type: bool
    reason:
      description: Why, or null.
      type: str
digests:
  description: Digest in the bundle of what belongs at each C(dest).
  returned: success
  type: dict
environments:
  description: By C(dest), the environment of the container that only the download of it told.
  returned: success
  type: dict
sent_bytes:
  description: Bytes that were sent to the host.
  returned: success
  type: int
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool
from ansible_collections.airgap.cognitive.plugins.module_utils._tree import place_trees, survey_trees

TREE_OPTIONS = {
    "kind": {"type": "str", "choices": ["license", "models"], "required": True},
    "family": {"type": "str", "required": True},
    "tag": {"type": "str", "required": True},
    "dest": {"type": "path", "required": True},
    "owner": {"type": "int", "default": 65532},
    "group": {"type": "int", "default": 65532},
    "mode": {"type": "str", "default": "0440"},
    "directory_mode": {"type": "str", "default": "0550"},
}


def work(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """The host's half: one step that the action plugin asks for."""
    step = params["_step"]
    spool = Spool(params["spool"])
    if step["name"] == "plan":
        return {"changed": False, **survey_trees(spool, step["trees"])}
    answer = place_trees(spool, step["trees"])
    return {"changed": bool(answer["placed"]), **answer}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "bundle": {"type": "path", "required": True},
            "trees": {"type": "list", "elements": "dict", "required": True, "options": TREE_OPTIONS},
            "spool": {"type": "path", "default": "/var/lib/cognitive/.spool"},
            # What the controller's half wants done; not for playbooks.
            "_step": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: work(module.params))


if __name__ == "__main__":
    main()
