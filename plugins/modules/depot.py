#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: depot
short_description: Keep a site's depot, into which every bundle is merged
version_added: 0.1.0
author:
  - The airgap.cognitive authors (@airgap)
description:
  - A depot is one directory on the site's control node, with the layout of a bundle. Whatever takes a bundle takes a depot.
  - Bundles are merged into it in any order, as often as one likes. Of two bundles' images or trees of one name the one of the newer bundle counts,
    the one with the higher serial number, or else the one that was made later.
  - The signature of a bundle's list is checked before anything else is looked at. Then each file is hashed while it is copied, and enters only when it is what the list says.
    A bad file is named, nothing of it enters, and the merge fails after it took in all else.
  - What the depot holds is not read again from a bundle that comes once more; use O(state=verified) to read everything.
  - A merge that is killed is gone on with by the next.
  - Only one process at a time merges into a depot or prunes it.
extends_documentation_fragment:
  - airgap.cognitive.attributes
attributes:
  check_mode:
    support: full
    details:
      - With O(state=merged) files are compared by name and size. Whether they are what their names say is found out when they are copied.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  path:
    description:
      - The directory of the depot. A merge makes it where it is not there.
      - A directory that holds anything else is refused.
    type: path
    required: true
  state:
    description:
      - V(listed) says what the depot holds and what it lacks.
      - V(merged) takes O(source) in.
      - V(pruned) takes out what neither O(keep_images) nor O(keep_bundles) needs.
      - V(verified) reads everything again, and fails with one sentence for each file that no merged bundle's signed list covers.
    type: str
    choices: [listed, merged, pruned, verified]
    default: listed
  source:
    description: What to merge, the directory of a bundle.
    type: path
  allowed_signers:
    description:
      - File that says which keys may sign, as described in C(ssh-keygen(1)) under ALLOWED SIGNERS.
      - A line is a name, C(namespaces="airgap.cognitive.bundle"), and a public key.
    type: path
  signer:
    description:
      - The name in O(allowed_signers) that must have signed.
      - Without it, any key that the file names will do.
    type: str
  link:
    description:
      - Whether files get a second name in the depot where it is on the same file system as O(source), instead of being copied. They are hashed all the same.
      - Then nothing may ever write into the files of O(source), or the depot changes too.
    type: bool
    default: false
  keep_images:
    description: Names of images that stay, with their licenses and models, whichever bundle they came with.
    type: list
    elements: str
    default: []
  keep_bundles:
    description: How many bundles, of the newest, stay whole.
    type: int
    default: 2
requirements:
  - the program C(ssh-keygen)
seealso:
  - module: airgap.cognitive.bundle_export
  - module: airgap.cognitive.bundle_verify
  - module: airgap.cognitive.image_push
"""

EXAMPLES = r"""
- name: Take a bundle in
  airgap.cognitive.depot:
    path: /srv/depot
    state: merged
    source: /media/usb/bundle
    allowed_signers: /etc/cognitive/allowed_signers

- name: See what the depot holds and lacks
  airgap.cognitive.depot:
    path: /srv/depot

- name: Keep the newest bundle, and one image of an earlier one
  airgap.cognitive.depot:
    path: /srv/depot
    state: pruned
    keep_bundles: 1
    keep_images: ["azure-cognitive-services/textanalytics/sentiment:3.0-en"]
"""

RETURN = r"""
contents:
  description: What the depot holds, after what was done to it.
  returned: success, and where a merge names faults
  type: list
  elements: dict
  contains:
    kind:
      description: What it is, V(image), V(license) or V(models).
      type: str
    name:
      description: Name of an image with its tag; family and tag of a license or models.
      type: str
    family:
      description: Family of containers that it is for.
      type: str
    tag:
      description: Tag of the image.
      type: str
    bundle:
      description: The bundle that it came with.
      type: str
    complete:
      description: Whether every blob of it is there.
      type: bool
    lacking:
      description:
        - The blobs of it that are not there, each with C(digest), C(size) and the C(bundle) that has it.
        - The bundle is empty where no bundle that was merged has it, because the blob was left out of a difference.
      type: list
      elements: dict
rows:
  description: The same for a table, with C(kind), C(name), C(bundle), C(complete) (V(yes) or V(no)) and C(lacking).
  returned: success, and where a merge names faults
  type: list
  elements: dict
  sample:
    - kind: image
      name: azure-cognitive-services/textanalytics/sentiment:3.0-en
      bundle: 4c0ffee0d15ea5e5
      complete: "no"
      lacking: 2 blobs (1.2 GiB), in bundle 4c0ffee0d15ea5e5
bundles:
  description: The merged bundles, the newest first.
  returned: success, and where a merge names faults
  type: list
  elements: str
  sample: [4c0ffee0d15ea5e5]
reasons:
  description: Why the depot was changed, or would be in check mode.
  returned: with O(state=merged) and O(state=pruned)
  type: list
  elements: str
  sample: [bundle 4c0ffee0d15ea5e5 is not in the depot]
taken_bytes:
  description: How many bytes of blobs came in.
  returned: with O(state=merged)
  type: int
  sample: 104857600
signers:
  description: Who signed each bundle that was in O(source).
  returned: with O(state=merged)
  type: dict
  sample: {4c0ffee0d15ea5e5: staging@example.com}
removed:
  description: What was taken out, or would be, as C(contents), C(bundles), C(blobs) and their C(bytes).
  returned: with O(state=pruned)
  type: dict
  sample: {contents: ["image old:1"], bundles: [0123456789abcdef], blobs: [], bytes: 0}
faults:
  description: Every fault that was found, one sentence each.
  returned: with O(state=merged) and O(state=verified)
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.cognitive.plugins.module_utils._depot import Depot, describe, outline, table
from ansible_collections.airgap.cognitive.plugins.module_utils._depot_merge import Merge
from ansible_collections.airgap.cognitive.plugins.module_utils._depot_prune import Prune, removed
from ansible_collections.airgap.cognitive.plugins.module_utils._depot_verify import verify_depot
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import SshVerifier
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size


def work(module: AnsibleModule) -> dict[str, t.Any]:
    """Bring the depot into the state."""
    return {"listed": listed, "merged": merged, "pruned": pruned, "verified": verified}[module.params["state"]](module)


def listed(module: AnsibleModule) -> dict[str, t.Any]:
    """What is in the depot."""
    depot = Depot(module.params["path"])
    if not depot.exists:
        raise CognitiveError(f"Depot {depot.path} is not there; merge a bundle into it first.")
    depot.check()
    return {"changed": False, "msg": f"Depot {depot.path} holds {len(depot.bundles())} bundles.", **_view(depot)}


def merged(module: AnsibleModule) -> dict[str, t.Any]:
    """Take the source in."""
    options = module.params
    verifier = SshVerifier(options["allowed_signers"], options["signer"])
    with Depot(options["path"], write=not module.check_mode) as depot:
        job = Merge(depot, options["source"], verifier, options["link"])
        reasons = job.reasons()
        difference = job.difference()
        taken = job.run() if reasons and not module.check_mode else 0
        result = {
            "changed": bool(reasons),
            "reasons": reasons,
            "taken_bytes": taken,
            "signers": job.signers,
            "diff": difference,
            **_view(depot),
        }
        _raise_faults(job.faults, result)
    if not reasons:
        message = f"The depot {depot.path} has all that {options['source']} holds, nothing was written."
    elif module.check_mode:
        message = f"The depot {depot.path} would be written: {'; '.join(reasons)}."
    else:
        message = f"The depot {depot.path} was written, {format_size(taken)} came in: {'; '.join(reasons)}."
    return {"msg": message, **result}


def pruned(module: AnsibleModule) -> dict[str, t.Any]:
    """Take out what is not to stay."""
    options = module.params
    with Depot(options["path"]) as depot:
        if not depot.exists:
            raise CognitiveError(f"Depot {depot.path} is not there; merge a bundle into it first.")
        job = Prune(depot, options["keep_images"], options["keep_bundles"])
        reasons, before = job.reasons(), outline(depot.contents())
        if reasons and not module.check_mode:
            job.run()
        after = {name: bundle for name, bundle in before.items() if name not in removed(job)["contents"]}
        view = _view(depot)
    if not reasons:
        message = f"The depot {depot.path} holds nothing that is not to stay."
    else:
        message = f"{format_size(job.size)} {'would leave' if module.check_mode else 'left'} the depot {depot.path}: {'; '.join(reasons)}."
    return {"changed": bool(reasons), "msg": message, "reasons": reasons, "removed": removed(job), "diff": {"before": before, "after": after}, **view}


def verified(module: AnsibleModule) -> dict[str, t.Any]:
    """Judge everything."""
    options = module.params
    verifier = SshVerifier(options["allowed_signers"], options["signer"])
    with Depot(options["path"]) as depot:
        verdict = verify_depot(depot, verifier)
        _raise_faults(verdict.faults, {})
        return {
            "changed": False,
            "msg": f"Depot {depot.path} is as its bundles say: {verdict.files} blobs, {format_size(verdict.size)}, signed by {verdict.signer}.",
            "faults": [],
            **_view(depot),
        }


def _raise_faults(faults: list[str], result: dict[str, t.Any]) -> None:
    result["faults"] = faults
    if faults:
        more = f" ({len(faults) - 1} more faults are in the result's faults.)" if len(faults) > 1 else ""
        raise CognitiveError(faults[0] + more, **result)


def _view(depot: Depot) -> dict[str, t.Any]:
    contents = describe(depot, depot.contents())
    return {"contents": contents, "rows": table(contents), "bundles": [bundle.id for bundle in depot.bundles()]}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["listed", "merged", "pruned", "verified"], "default": "listed"},
            "source": {"type": "path"},
            "allowed_signers": {"type": "path"},
            "signer": {"type": "str"},
            "link": {"type": "bool", "default": False},
            "keep_images": {"type": "list", "elements": "str", "default": []},
            "keep_bundles": {"type": "int", "default": 2},
        },
        required_if=[("state", "merged", ("source", "allowed_signers")), ("state", "verified", ("allowed_signers",))],
        supports_check_mode=True,
    )
    run_module(module, lambda: work(module))


if __name__ == "__main__":
    main()
