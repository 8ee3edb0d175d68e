#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: summary
short_description: Print a table for people at the end of a play
version_added: 0.1.0
description:
  - Prints a title, a table and notes on the terminal of the controller, the same whatever output format Ansible is set to.
  - Can fail where a row has the level V(error), so that everything that is wrong is seen before the run stops.
  - Prints nothing where there is neither a row nor a note.
author:
  - the airgap.cognitive authors
extends_documentation_fragment:
  - airgap.cognitive.attributes
  - airgap.cognitive.attributes.action
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details:
      - Nothing is changed.
  idempotent:
    support: full
options:
  title:
    description: One line above the table.
    type: str
    required: true
  columns:
    description: The keys of the rows to show, in this order.
    type: list
    elements: str
    required: true
  rows:
    description: What to show, one dictionary a line.
    type: list
    elements: dict
    required: true
  notes:
    description: Sentences below the table.
    type: list
    elements: str
    default: []
  fail_when_level:
    description: Fail where the key C(level) of a row is this, or worse.
    type: str
    choices: [error, warning]
  fail_message:
    description: What the failure says.
    type: str
"""

EXAMPLES = r"""
- name: Say what runs where
  airgap.cognitive.summary:
    title: What runs where
    columns: [host, service, ready]
    rows: "{{ service_states.services }}"
"""

RETURN = r"""
text:
  description: What was printed.
  returned: success
  type: str
"""
