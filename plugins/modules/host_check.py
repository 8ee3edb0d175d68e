#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_check
short_description: Compare a host with what its services need
version_added: 0.1.0
description:
  - Returns every shortfall at once, with what is needed, what was found, and where the need comes from. It never fails by itself and changes nothing.
  - Less than the minimum is an error, less than what is recommended a warning. CPUs and memory are summed over all services of the host.
  - For services that want a GPU there must be a device C(/dev/nvidia0) and the runtime C(nvidia) in the engine.
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
  images:
    description: Their images, as M(airgap.cognitive.bundle_info) returns them; with them the room is checked.
    type: list
    elements: dict
    default: []
  now:
    description: The controller's clock, in seconds since 1970.
    type: float
    required: true
  clock_tolerance:
    description: Seconds by which the clocks may differ.
    type: int
    default: 60
  host:
    description: Name of the host in the result.
    type: str
    default: ""
  spool:
    description: Directory where layers wait for the engine.
    type: path
    default: /var/lib/cognitive/.spool
"""

EXAMPLES = r"""
- name: Compare the host with what its services need
  airgap.cognitive.host_check:
    services: "{{ service_resolved.services | selectattr('host', 'eq', inventory_hostname) }}"
    now: "{{ now().timestamp() }}"
"""

RETURN = r"""
shortfalls:
  description: What is short.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: O(host).
      type: str
    level:
      description: V(error) or V(warning).
      type: str
    service:
      description: The services that need it; empty where all do.
      type: str
    what:
      description: What is short.
      type: str
    need:
      description: What is needed.
      type: str
    found:
      description: What was found.
      type: str
    source:
      description: Where the need comes from.
      type: str
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.cognitive.plugins.module_utils._host import Shortfalls, check_engine, check_facts, read_facts
from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool


def work(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """All shortfalls."""
    short = Shortfalls(params["host"])
    facts = read_facts(time.time)
    if params["services"]:
        check_facts(short, params["services"], facts, params["now"], params["clock_tolerance"])
        check_engine(short, params["services"], params["images"], facts, params["docker_host"], Spool(params["spool"]))
    return {"changed": False, "shortfalls": short.found}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "dict", "required": True},
            "images": {"type": "list", "elements": "dict", "default": []},
            "now": {"type": "float", "required": True},
            "clock_tolerance": {"type": "int", "default": 60},
            "host": {"type": "str", "default": ""},
            "spool": {"type": "path", "default": "/var/lib/cognitive/.spool"},
            "docker_host": {"type": "str"},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: work(module.params))


if __name__ == "__main__":
    main()
