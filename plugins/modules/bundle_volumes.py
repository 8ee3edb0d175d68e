#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_volumes
short_description: Cut a bundle into volumes for media, and check volumes
version_added: 0.1.0
author:
  - The airgap.cognitive authors (@airgap)
description:
  - Writes files of at most O(size) bytes, C(ID-01-of-03.tar) and so on, straight from the bundle. M(airgap.cognitive.depot) takes them in, in any order.
  - Each volume is a plain tar that says in C(volume.json), signed, what it carries. It has the bundle's documents and the descriptions of all images,
    then blobs in the order in which images need them, so that each volume can be checked alone, and the first is of use before the others arrive.
  - A file that is larger than the room that is left is cut.
  - The cut depends on the bundle and O(size) alone. A volume that was lost or damaged is made again with O(numbers), the same to the byte
    where the key is of a kind that signs the same content with the same signature (Ed25519 and RSA do, ECDSA does not).
  - A volume that is there and whole is left alone. Volumes of other bundles or sizes are left alone too.
extends_documentation_fragment:
  - airgap.cognitive.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) makes the volumes that are not there or not whole.
      - V(verified) reads the volumes in O(dest), and fails with one sentence for each that is bad. It needs no bundle.
    type: str
    choices: [present, verified]
    default: present
  dest:
    description:
      - The directory of the volumes. It is made where it is not there.
      - With O(state=verified) also one volume.
    type: path
    required: true
  path:
    description: The directory of the bundle.
    type: path
  size:
    description:
      - How large a volume may be, a number with a unit (V(k), V(m), V(g); powers of 1024).
      - More than 4 GiB less one byte is refused, because FAT32, the file system of most media, holds no larger file.
    type: str
  numbers:
    description: Make these volumes only.
    type: list
    elements: int
    default: []
  signing_key:
    description:
      - File of the SSH key that signed the bundle, or of one of them; a private key without a passphrase, or a public key whose private half is in the SSH agent.
    type: path
  allowed_signers:
    description: File that says which keys may sign, as described in C(ssh-keygen(1)) under ALLOWED SIGNERS. Needed with O(state=verified).
    type: path
  signer:
    description:
      - The name in O(allowed_signers) that must have signed. Where several sign a bundle, this must be the one whose key signed the volumes.
      - Without it, any key that the file names will do.
    type: str
requirements:
  - the program C(ssh-keygen)
notes:
  - Without this collection, C(for volume in *.tar; do tar -xf "$volume" -C bundle; done) unpacks the volumes into the directory C(bundle).
    A file that was cut is then below C(bundle/parts), named by its checksum and where each part begins, so that
    C(cat bundle/parts/CHECKSUM-* > bundle/blobs/sha256/CHECKSUM) puts it together. C(ssh-keygen -Y verify) and C(sha256sum -c SHA256SUMS) check the bundle afterwards.
seealso:
  - module: airgap.cognitive.bundle_export
  - module: airgap.cognitive.depot
"""

EXAMPLES = r"""
- name: Cut the bundle for DVDs
  airgap.cognitive.bundle_volumes:
    path: /srv/bundle
    dest: /srv/bundle-volumes
    size: 4000m
    signing_key: /etc/cognitive/bundle-signing

- name: Make the second one again
  airgap.cognitive.bundle_volumes:
    path: /srv/bundle
    dest: /media/usb
    size: 4000m
    numbers: [2]
    signing_key: /etc/cognitive/bundle-signing

- name: Check a medium before it travels
  airgap.cognitive.bundle_volumes:
    state: verified
    dest: /media/usb
    allowed_signers: /etc/cognitive/allowed_signers
"""

RETURN = r"""
volumes:
  description: Each volume that was made, left alone or checked.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The file.
      type: str
    number:
      description: Its number.
      type: int
    count:
      description: How many there are.
      type: int
    bundle:
      description: Id of the bundle.
      type: str
    reason:
      description: Why it was made, or would be in check mode; empty where it was left alone or checked.
      type: str
  sample:
    - {path: /srv/bundle-volumes/4c0ffee0d15ea5e5-01-of-03.tar, number: 1, count: 3, bundle: 4c0ffee0d15ea5e5, reason: volume 1 is not there}
others:
  description: Files in O(dest) that end in C(.tar) and are not of this cut; they were left alone.
  returned: with O(state=present)
  type: list
  elements: str
  sample: []
written_bytes:
  description: How many bytes were written.
  returned: with O(state=present)
  type: int
  sample: 104857600
faults:
  description: Every fault that was found, one sentence each.
  returned: with O(state=verified)
  type: list
  elements: str
  sample: []
notes:
  description: What is odd about the volumes and does no harm, such as a name that is another volume's.
  returned: with O(state=verified)
  type: list
  elements: str
  sample: []
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import SshSigner, SshVerifier
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size, parse_size
from ansible_collections.airgap.cognitive.plugins.module_utils._volume_reader import check_volumes
from ansible_collections.airgap.cognitive.plugins.module_utils._volumes import Cut, Volumes


def present(module: AnsibleModule) -> dict[str, t.Any]:
    """Make the volumes that are not there."""
    options = module.params
    signer = SshSigner(options["signing_key"])
    job = Volumes(Cut(options["path"], parse_size(options["size"], "size"), signer), options["dest"], options["numbers"], signer)
    reasons = [reason for reason in job.reasons.values() if reason]
    written = job.run() if reasons and not module.check_mode else 0
    rows = [
        {"path": job.path(volume), "number": volume.number, "count": volume.count, "bundle": volume.bundle, "reason": job.reasons[volume.number] or ""}
        for volume in job.wanted
    ]
    if not reasons:
        message = f"The volumes in {options['dest']} are as they should be, nothing was written."
    elif module.check_mode:
        message = f"Volumes would be written into {options['dest']}: {'; '.join(reasons)}."
    else:
        message = f"{format_size(written)} in volumes were written into {options['dest']}: {'; '.join(reasons)}."
    names = {os.path.basename(row["path"]): row["reason"] for row in rows}
    return {
        "changed": bool(reasons),
        "msg": message,
        "volumes": rows,
        "others": job.others,
        "written_bytes": written,
        "diff": {"before": {"whole": sorted(name for name, reason in names.items() if not reason)}, "after": {"whole": sorted(names)}},
    }


def verified(module: AnsibleModule) -> dict[str, t.Any]:
    """Check the volumes that are there."""
    options = module.params
    found = check_volumes(options["dest"], SshVerifier(options["allowed_signers"], options["signer"]))
    if found["faults"]:
        more = f" ({len(found['faults']) - 1} more faults are in the result's faults.)" if len(found["faults"]) > 1 else ""
        raise CognitiveError(found["faults"][0] + more, **found)
    count = len(found["volumes"])
    return {"changed": False, "msg": f"{count} {'volume is' if count == 1 else 'volumes are'} as signed.", **found}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "verified"], "default": "present"},
            "dest": {"type": "path", "required": True},
            "path": {"type": "path"},
            "size": {"type": "str"},
            "numbers": {"type": "list", "elements": "int", "default": []},
            "signing_key": {"type": "path", "no_log": False},
            "allowed_signers": {"type": "path"},
            "signer": {"type": "str"},
        },
        required_if=[("state", "present", ("path", "size", "signing_key")), ("state", "verified", ("allowed_signers",))],
        supports_check_mode=True,
    )
    run_module(module, lambda: {"present": present, "verified": verified}[module.params["state"]](module))


if __name__ == "__main__":
    main()
