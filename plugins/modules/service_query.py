#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_query
short_description: Send each service of a host the sample query of its family
version_added: 0.1.0
description:
  - Sends the query that the catalogue has for the family of each service, and looks at the status and the shape of the answer.
  - Fails with every service that does not answer as it should. A service that answers that it cannot yet is asked again until O(timeout).
  - A query is counted by the service as any other is, so it uses a little of the commitment. In check mode none is sent.
author:
  - the airgap.cognitive authors
extends_documentation_fragment:
  - airgap.cognitive.attributes.info
  - airgap.cognitive.attributes.actiongroup_cognitive
options:
  services:
    description: The services of this host, as M(airgap.cognitive.service_info) returns them.
    type: list
    elements: dict
    required: true
  timeout:
    description: Seconds for which a service that cannot yet answer is asked again.
    type: float
    default: 60
"""

EXAMPLES = r"""
- name: Send each service a query
  airgap.cognitive.service_query:
    services: "{{ service_resolved.services | selectattr('host', 'eq', inventory_hostname) }}"
"""

RETURN = r"""
queries:
  description: What came of each query; none in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    host:
      description: Host of the service.
      type: str
    service:
      description: Its name.
      type: str
    family:
      description: Its family.
      type: str
    query:
      description: Method and path of the query.
      type: str
    status:
      description: Status of the answer; 0 where there was none.
      type: int
    seconds:
      description: How long it took.
      type: float
    problem:
      description: What was not as it should be, or null.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.cognitive.plugins.module_utils._query import query_services
from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={"services": {"type": "list", "elements": "dict", "required": True}, "timeout": {"type": "float", "default": 60}},
        supports_check_mode=True,
    )
    run_module(
        module,
        lambda: {"changed": False, "queries": [] if module.check_mode else query_services(module.params["services"], module.params["timeout"])},
    )


if __name__ == "__main__":
    main()
