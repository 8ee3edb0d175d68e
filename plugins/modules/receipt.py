#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: receipt
short_description: Write down what a host or a depot holds, for the next export
version_added: 0.1.0
description:
  - Asks the host's engine which layers it holds, and writes that into a file on the controller, with the engine, the room that is free, the licenses and models in place,
    and the bundles that it was given.
  - The file goes back to the connected side, where M(airgap.cognitive.bundle_export) leaves out of the next bundle what every target provably has.
  - A receipt that is out of date costs bytes, never correctness, because a push plans against the live host.
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
    details:
      - A receipt is not written again for other room or newer usage alone.
options:
  bundle:
    description: The bundle or depot, on the controller, that the host was given.
    type: path
    required: true
  path:
    description: Directory on the controller for receipts; the file is named after the host.
    type: path
    required: true
  of:
    description: Whether the receipt is of the host, or of the depot that O(bundle) names.
    type: str
    choices: [host, depot]
    default: host
  trees:
    description: The licenses and models in place, as RV(airgap.cognitive.tree_push#module:digests) names them.
    type: dict
    default: {}
  usage_dir:
    description: The ledger, on the controller, whose last record of the host is named.
    type: path
  spool:
    description: Directory of the host where pushes leave their record.
    type: path
    default: /var/lib/cognitive/.spool
"""

EXAMPLES = r"""
- name: Note what the host holds
  airgap.cognitive.receipt:
    bundle: ./bundle
    path: ./receipts
"""

RETURN = r"""
path:
  description: The file, on the controller.
  returned: success
  type: str
  sample: ./receipts/edge1.json
reason:
  description: Why it was written, or null.
  returned: success
  type: str
  sample: it is not there
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine
from ansible_collections.airgap.cognitive.plugins.module_utils._push import holdings
from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool


def look(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """The host's half: what the engine holds."""
    return {"changed": False, "holds": holdings(Engine(params["docker_host"]), Spool(params["spool"]))}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={"spool": {"type": "path", "default": "/var/lib/cognitive/.spool"}, "docker_host": {"type": "str"}},
        supports_check_mode=True,
    )
    run_module(module, lambda: look(module.params))


if __name__ == "__main__":
    main()
