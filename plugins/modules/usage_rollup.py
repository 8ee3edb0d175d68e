#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: usage_rollup
short_description: Count everything in usage ledgers once, and write the report
description:
  - Reads ledgers that M(airgap.cognitive.usage_gather) wrote, and nothing else, and counts each record once, by month, family, meter and host.
  - Numbers that are missing or doubtful are named in sentences. A host or a service that did not answer is never taken for zero.
  - Writes C(usage.html), a page for people that needs no network and no JavaScript, C(usage.json) and C(usage.csv).
  - The report of the same ledger is the same to the byte, whenever it is written. Its date is that of the newest record.
  - All of this runs on the controller.
version_added: 0.1.0
author:
  - The airgap.cognitive authors (@airgap)
extends_documentation_fragment:
  - airgap.cognitive.attributes
  - airgap.cognitive.attributes.action
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  ledger:
    description:
      - Directories of ledgers on the controller, of one site or of many. A record that is in several counts once.
      - In check mode one that is not there counts as empty, because the first gathering would make it.
    type: list
    elements: path
    required: true
  report:
    description: Directory on the controller for the report. It is made where it is not there.
    type: path
    required: true
  expected:
    description:
      - The services that must be in the report, as M(airgap.cognitive.service_info) returns them; C(host), C(name) and C(family) are needed, C(site) is used where given.
      - One that is not counted is a gap in the report. One that is counted and not expected is called retired.
      - Without it, every service that was ever gathered is expected.
    type: list
    elements: dict
    default: []
  commitments:
    description:
      - Commitments, each with C(family), C(meter), C(monthly_quota) and, where it is known, C(ends) (a date).
      - The report compares them with the usage of the month that it is written for.
    type: list
    elements: dict
    default: []
  title:
    description: Title of the page.
    type: str
    default: Usage of Azure AI containers
seealso:
  - module: airgap.cognitive.usage_gather
"""

EXAMPLES = r"""
- name: Roll up all that was ever gathered, and write the report
  airgap.cognitive.usage_rollup:
    ledger:
      - /srv/cognitive/usage
    report: /srv/cognitive/report
    expected: "{{ service_resolved.services }}"
    commitments:
      - family: sentiment
        meter: CognitiveServices.TextAnalytics.Container.BatchScoring
        monthly_quota: 1000000
        ends: "2027-03-31"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
html:
  description: Path of the page.
  returned: success
  type: str
json:
  description: Path of the JSON file.
  returned: success
  type: str
csv:
  description: Path of the CSV file.
  returned: success
  type: str
as_of:
  description: Time of the newest record.
  returned: success
  type: str
totals:
  description: Quantities by month, family and meter. A quantity is an integer, or the text of a decimal number where it has a fraction.
  returned: success
  type: list
  elements: dict
  sample:
    - {month: "2026-11", family: sentiment, meter: CognitiveServices.TextAnalytics.Container.BatchScoring, quantity: 1200, billed_unit: null}
gaps:
  description: Sentences about numbers that are missing.
  returned: success
  type: list
  elements: str
anomalies:
  description: Sentences about numbers that are doubtful.
  returned: success
  type: list
  elements: str
commitments:
  description: Each commitment with what of it was used, and its C(state), which is C(within), C(near) or C(over).
  returned: success
  type: list
  elements: dict
"""
