#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: usage_gather
short_description: Gather what the services of a host used, with the proof, into a ledger on the controller
description:
  - Asks each service for its usage records, for the whole of its output mount and for single months, and keeps each answer word for word with
    the HTTP status, the container, the identity of the output mount and the time.
  - Brings the raw files below each output mount to the controller. Only files that are new, have grown or have changed cross again, compressed.
    Their format is not known to this collection; they are carried and never changed.
  - A service that is down, a broken answer, and a host that cannot be reached are records too, so that nothing that is missing is taken for zero.
  - A record is written where something differs from the last one, and once a day as proof that the host was asked.
  - Nothing on the host is changed or deleted. Links below an output mount are not followed.
  - The raw files below an output mount that several services share are kept once, under the name of the first of them.
version_added: 0.1.0
author:
  - The airgap.cognitive authors (@airgap)
extends_documentation_fragment:
  - airgap.cognitive.attributes
  - airgap.cognitive.attributes.action
  - airgap.cognitive.docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - As long as the services were not used between the two runs.
options:
  services:
    description:
      - The services of this host, as M(airgap.cognitive.service_info) returns them.
      - Of each, C(name), C(family), C(port) and C(output_dir) are needed; C(bind), C(tag) and C(image) are used where given.
    type: list
    elements: dict
    required: true
  ledger:
    description: Directory on the controller that keeps all that was ever gathered. It is made where it is not there.
    type: path
    required: true
  site:
    description: Name of this site. Hosts of one name at two sites are told apart by it.
    type: str
    default: site
  host:
    description: The host that the record is about; without it, the host of the task.
    type: str
  months:
    description:
      - How many months to ask for, this one included.
      - More are asked where the last record of the host is older.
    type: int
    default: 3
  unreachable:
    description:
      - Only write the record that the host cannot be reached, without trying to.
      - A host that is lost during this task gets such a record by itself.
    type: bool
    default: false
seealso:
  - module: airgap.cognitive.usage_rollup
"""

EXAMPLES = r"""
- name: Gather usage records and usage logs
  airgap.cognitive.usage_gather:
    services: "{{ service_resolved.services | selectattr('host', 'eq', inventory_hostname) }}"
    ledger: /srv/cognitive/usage
    site: north
  become: true
  ignore_unreachable: true
"""

RETURN = r"""
reason:
  description: Why a record was written, or would be; null where the last one says the same.
  returned: success
  type: str
record:
  description: Path of the newest record of the host.
  returned: success
  type: str
files:
  description: How many raw files crossed, or would.
  returned: success
  type: int
bytes:
  description: How large they are, uncompressed.
  returned: success
  type: int
services:
  description: Of each service, C(answered), or what was wrong.
  returned: success
  type: dict
  sample: {"sentiment-en": "answered", "read": "Connection refused"}
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module
from ansible_collections.airgap.cognitive.plugins.module_utils._usage import gather
from ansible_collections.airgap.cognitive.plugins.module_utils._usage_tree import pack


def work(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """The host's half: one step that the action plugin asks for."""
    step = params["_step"]
    if step["name"] == "pack":
        return {"changed": False, **pack(step["root"], step["paths"], step["archive"])}
    return {"changed": False, "gathered": gather(params["services"], step["months"], params["docker_host"]), "clock": time.time()}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "dict", "required": True},
            "ledger": {"type": "path", "required": True},
            "site": {"type": "str", "default": "site"},
            "host": {"type": "str"},
            "months": {"type": "int", "default": 3},
            "unreachable": {"type": "bool", "default": False},
            "docker_host": {"type": "str"},
            # What the controller's half wants done; not for playbooks.
            "_step": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: work(module.params))


if __name__ == "__main__":
    main()
