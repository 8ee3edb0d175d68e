#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_directories
short_description: Make the directories of all services of a host
version_added: 0.1.0
description:
  - Makes the directory of each service and, below it, the output directory and, where services share one, the shared directory,
    with the owner and the mode that the container needs.
  - The containers run as user 65532, which a host has no name for; so the owner is a number.
  - License and model directories are put in place by M(airgap.cognitive.tree_push).
author:
  - the airgap.cognitive authors
extends_documentation_fragment:
  - airgap.cognitive.attributes
  - airgap.cognitive.attributes.actiongroup_cognitive
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  services:
    description: The services of this host, as M(airgap.cognitive.service_info) returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Make the directories of the services
  airgap.cognitive.host_directories:
    services: "{{ service_resolved.services | selectattr('host', 'eq', inventory_hostname) }}"
"""

RETURN = r"""
directories:
  description: The directories that were made or put right, in check mode those that would be.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The directory.
      type: str
    reason:
      description: What was not as it should be.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule  # noqa: E402

from ansible_collections.airgap.cognitive.plugins.module_utils._directories import apply_directories, wanted_directories  # noqa: E402
from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module  # noqa: E402


def main() -> None:
    module = AnsibleModule(
        argument_spec={"services": {"type": "list", "elements": "dict", "required": True}},
        supports_check_mode=True,
    )
    run_module(module, lambda: apply_directories(wanted_directories(module.params["services"]), module.check_mode))


if __name__ == "__main__":
    main()
