#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_push
short_description: Bring an engine just the layers of images that it lacks
version_added: 0.1.0
description:
  - Asks the host's Docker Engine which layers it holds, sends only the others from a bundle on the controller, and loads each image as one archive made on the fly.
  - Works with engines from 20.10 on, with the classic and the containerd image store, over any connection.
  - An image arrives under a name of passage, is compared with the bundle (layers and identity), and only then gets its own name.
    One that the engine did not take without the layers that it seemed to have is sent whole.
  - A push that was broken off goes on where it ended, at the cost of one block of 32 MiB at most.
  - Refuses before anything is sent when the spool and the engine have too little room.
  - An engine before 23 cannot unpack zstd; there the host needs the C(zstd) program.
author:
  - the airgap.cognitive authors
extends_documentation_fragment:
  - airgap.cognitive.attributes
  - airgap.cognitive.attributes.action
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
  bundle:
    description: Directory of the bundle, on the controller; verify it first with M(airgap.cognitive.bundle_verify).
    type: path
    required: true
  images:
    description: References of the images.
    type: list
    elements: str
    required: true
  spool:
    description: Directory of the host where layers wait for the engine.
    type: path
    default: /var/lib/cognitive/.spool
  ladder:
    description:
      - Whether an image goes to the engine layer by layer, so that no more than one layer waits for it, and a push that was broken off repeats one layer at most.
        It takes longer, because each layer is a load of its own.
      - V(auto) does so where there is too little room otherwise.
    type: str
    choices: [auto, always, never]
    default: auto
  request_dir:
    description:
      - Directory on the controller for a request, which is written there where the host lacks what the bundle does not hold either.
      - M(airgap.cognitive.bundle_export) turns it into a bundle that brings just that (O(airgap.cognitive.bundle_export#module:against)).
    type: path
"""

EXAMPLES = r"""
- name: Push the layers that the engine lacks
  airgap.cognitive.image_push:
    bundle: ./bundle
    images:
      - registry.example.com/azure-cognitive-services/textanalytics/sentiment:3.0-en
"""

RETURN = r"""
images:
  description: What each image needed.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Reference of the image.
      type: str
    id:
      description: What this engine calls the image of the bundle.
      type: str
    before:
      description: What it called the image that had the name before, or null.
      type: str
    reason:
      description: Why it was loaded, or null.
      type: str
    layers:
      description: How many layers it has.
      type: int
    present:
      description: How many of them the engine held.
      type: int
    to_load:
      description: How many were loaded.
      type: int
    bytes:
      description: Size of these in the bundle.
      type: int
engine:
  description: The engine's C(version), C(store) (V(classic) or V(containerd)) and C(root).
  returned: success
  type: dict
room:
  description: For each file system, the C(paths) that the push writes to, the bytes that it will C(need) at the peak, and those that are C(free).
  returned: success
  type: list
  elements: dict
ladder:
  description: For each image that goes layer by layer, after how many of its layers it pauses.
  returned: success
  type: dict
  sample: {}
send_bytes:
  description: Bytes that the host lacked.
  returned: success
  type: int
sent_bytes:
  description: Bytes that were sent to the host.
  returned: success
  type: int
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine
from ansible_collections.airgap.cognitive.plugins.module_utils._push import load_images, survey
from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool


def work(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """The host's half: one step that the action plugin asks for."""
    step = params["_step"]
    engine = Engine(params["docker_host"])
    spool = Spool(params["spool"])
    if step["name"] == "plan":
        return {"changed": False, **survey(engine, spool, step["images"], params["ladder"])}
    spool.learn(step["documents"])
    answer = load_images(engine, spool, step["images"], step["whole"])
    return {"changed": bool(answer["loaded"]), **answer}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "bundle": {"type": "path", "required": True},
            "images": {"type": "list", "elements": "str", "required": True},
            "spool": {"type": "path", "default": "/var/lib/cognitive/.spool"},
            "ladder": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
            "docker_host": {"type": "str"},
            # What the controller's half wants done; not for playbooks.
            "_step": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: work(module.params))


if __name__ == "__main__":
    main()
