#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_verify
short_description: Verify the signature and every file of a bundle
version_added: 0.1.0
description:
  - Checks the list of files and its SSH signature before anything else is parsed, then the digest of every file, then that nothing lacks.
  - A file that the list does not name is an error.
  - The same can be done by hand with C(ssh-keygen -Y verify) and C(sha256sum -c).
author:
  - the airgap.cognitive authors
extends_documentation_fragment:
  - airgap.cognitive.attributes.info
  - airgap.cognitive.attributes.actiongroup_cognitive
options:
  path:
    description: Directory of the bundle.
    type: path
    required: true
  allowed_signers:
    description: File of the keys that may sign, as C(ssh-keygen) describes it.
    type: path
    required: true
  signer:
    description: The identity that must have signed; without it any that the file names may.
    type: str
"""

EXAMPLES = r"""
- name: Verify the bundle
  airgap.cognitive.bundle_verify:
    path: ./bundle
    allowed_signers: ./allowed_signers
"""

RETURN = r"""
signer:
  description: Who signed.
  returned: success
  type: str
files:
  description: How many files were checked.
  returned: success
  type: int
bytes:
  description: Their size.
  returned: success
  type: int
faults:
  description: Every fault, one sentence each.
  returned: failure
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_verify import verify
from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import SshVerifier


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "allowed_signers": {"type": "path", "required": True},
            "signer": {"type": "str"},
        },
        supports_check_mode=True,
    )
    params = module.params
    run_module(module, lambda: {"changed": False, **verify(params["path"], SshVerifier(params["allowed_signers"], params["signer"]))})


if __name__ == "__main__":
    main()
