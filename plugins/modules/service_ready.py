#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_ready
short_description: Wait until the services of a host are ready and valid
version_added: 0.1.0
description:
  - Waits for C(/ready) of all services at once, then reads C(/status), which must say V(Valid).
  - Fails with every service that will not be valid, what it answered, what its container said last, and the known cause where there is one.
    It does not wait for what waiting cannot change, such as a container that starts again and again, or a license that is not valid.
  - In check mode it looks once, and does not wait.
author:
  - the airgap.cognitive authors
extends_documentation_fragment:
  - airgap.cognitive.attributes.info
  - airgap.cognitive.attributes.actiongroup_cognitive
  - airgap.cognitive.docker
options:
  services:
    description: The services of this host, as M(airgap.cognitive.service_info) returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Wait until the services are ready and valid
  airgap.cognitive.service_ready:
    services: "{{ service_resolved.services | selectattr('host', 'eq', inventory_hostname) }}"
"""

RETURN = r"""
services:
  description: The state of each service.
  returned: always
  type: list
  elements: dict
  contains:
    host:
      description: Its host.
      type: str
    service:
      description: Its name.
      type: str
    family:
      description: Its family.
      type: str
    tag:
      description: Tag of its image.
      type: str
    address:
      description: Where it answers.
      type: str
    ready:
      description: Whether C(/ready) answers 200.
      type: bool
    api_status:
      description: The C(apiStatus) of C(/status), null where there is none.
      type: str
    message:
      description: The C(apiStatusMessage) of C(/status), null where there is none.
      type: str
    answer:
      description: What C(/status) answered, or C(/ready) where that did not answer 200.
      type: str
    seconds:
      description: How long it took.
      type: float
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine
from ansible_collections.airgap.cognitive.plugins.module_utils._ready import wait
from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={"services": {"type": "list", "elements": "dict", "required": True}, "docker_host": {"type": "str"}},
        supports_check_mode=True,
    )
    run_module(
        module,
        lambda: {"changed": False, "services": wait(module.params["services"], None if module.check_mode else Engine(module.params["docker_host"]))},
    )


if __name__ == "__main__":
    main()
