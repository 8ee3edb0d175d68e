#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_verify
short_description: Check that a bundle is whole and was signed by somebody who may
version_added: 0.1.0
author:
  - The airgap.cognitive authors (@airgap)
description:
  - Checks the signature of the bundle's list of files before it looks at anything else. Where that is not in order, nothing else is opened.
  - Then compares every file with the list, refuses files that the list does not name, and checks that all that the images, licenses and models need is there, in the right size.
  - Fails with one sentence for each fault.
extends_documentation_fragment:
  - airgap.cognitive.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  path:
    description: The directory of the bundle.
    type: path
    required: true
  allowed_signers:
    description:
      - File that says which keys may sign, as described in C(ssh-keygen(1)) under ALLOWED SIGNERS.
      - A line is a name, C(namespaces="airgap.cognitive.bundle"), and a public key.
    type: path
    required: true
  signer:
    description:
      - The name in O(allowed_signers) that must have signed.
      - Without it, any key that the file names will do.
    type: str
  signers_needed:
    description: How many different names of O(allowed_signers) must have signed.
    type: int
    default: 1
  series_record:
    description:
      - File on this machine that keeps the highest serial number of each series of bundles that was used here.
      - A bundle with a lower one is refused. Without the file, bundles of any age are taken.
    type: path
  allow_older:
    description: Whether a bundle that is older than one that was used here may be used all the same.
    type: bool
    default: false
  allow_expired:
    description: Whether a bundle may be used beyond the day until which it was made to be valid.
    type: bool
    default: false
  clock_tolerance:
    description: By how many hours the clock of this machine may be off.
    type: int
    default: 24
requirements:
  - the program C(ssh-keygen)
seealso:
  - module: airgap.cognitive.bundle_export
  - module: airgap.cognitive.bundle_info
"""

EXAMPLES = r"""
- name: Check the bundle that came in
  airgap.cognitive.bundle_verify:
    path: /media/usb/bundle
    allowed_signers: /etc/cognitive/allowed_signers
"""

RETURN = r"""
signer:
  description: Who signed the bundle, by its name in O(allowed_signers); the first where there are several.
  returned: when list and signature are in order
  type: str
  sample: staging@example.com
signers:
  description: Everybody who signed it.
  returned: when list and signature are in order
  type: list
  elements: str
  sample: [staging@example.com]
faults:
  description: Every fault that was found, one sentence each.
  returned: always
  type: list
  elements: str
  sample: []
files:
  description: How many files were compared with the list.
  returned: when list and signature are in order
  type: int
  sample: 42
bytes:
  description: How many bytes they have.
  returned: when list and signature are in order
  type: int
  sample: 1073741824
bundle:
  description: What the bundle holds.
  returned: success
  type: dict
  sample:
    id: 4c0ffee0d15ea5e5
    created: "2026-11-24T22:00:00Z"
    tool: airgap.cognitive 0.1.0
    series: default
    serial: 1764021600
    images: ["azure-cognitive-services/textanalytics/sentiment:3.0-en"]
    licenses: [sentiment 3.0-en]
    models: []
"""

import datetime
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_verify import verify
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import SshVerifier
from ansible_collections.airgap.cognitive.plugins.module_utils._terms import Policy


def judge(module: AnsibleModule) -> dict[str, t.Any]:
    """Judge the bundle."""
    options = module.params
    try:
        verdict = verify(options["path"], SshVerifier(options["allowed_signers"], options["signer"], signers_needed=options["signers_needed"]))
    except CognitiveError as error:
        raise CognitiveError(str(error), faults=[str(error)]) from error
    found = {"signer": verdict.signers[0], "signers": verdict.signers, "faults": verdict.faults, "files": verdict.files, "bytes": verdict.size}
    if verdict.faults:
        more = f" ({len(verdict.faults) - 1} more faults are in the result's faults.)" if len(verdict.faults) > 1 else ""
        raise CognitiveError(verdict.faults[0] + more, **found)
    bundle = Bundle(options["path"])
    policy = Policy(options["series_record"], options["allow_older"], options["allow_expired"], datetime.timedelta(hours=options["clock_tolerance"]))
    for warning in policy.judge(bundle.catalogue, options["path"]):
        module.warn(warning)
    reason = policy.reason_to_remember(bundle.catalogue)
    if not module.check_mode:
        policy.remember(bundle.catalogue)
    message = f"Bundle {options['path']} is whole: {verdict.files} files, signed by {', '.join(verdict.signers)}."
    return {"changed": bool(reason), "msg": message + (f" {options['series_record']} was brought up to date." if reason else ""), "bundle": bundle.summary, **found}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "allowed_signers": {"type": "path", "required": True},
            "signer": {"type": "str"},
            "signers_needed": {"type": "int", "default": 1},
            "series_record": {"type": "path"},
            "allow_older": {"type": "bool", "default": False},
            "allow_expired": {"type": "bool", "default": False},
            "clock_tolerance": {"type": "int", "default": 24},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: judge(module))


if __name__ == "__main__":
    main()
