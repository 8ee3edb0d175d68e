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
  - Bundles are merged into it in any order, as often as one likes. Of two bundles' images or trees of one name the one of the newer bundle counts.
    That is the one with the higher serial number, or else the one that was made later.
  - The signature of a bundle's list is checked before anything else is looked at.
    Then each file is hashed while it is copied, and enters only when it is what the list says. A bad file is named, nothing of it enters, and the merge fails after it took in all else.
  - What the depot holds is not read again from a bundle that comes once more; use O(state=verified) to read everything.
  - A merge that is killed is gone on with by the next.
  - After a merge, and with O(state=listed) where O(series_record) is given, the newest bundle of each series is held to its serial number and its validity.
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
    description:
      - What to merge, the directory of a bundle, a volume, or a directory that holds any number of volumes (files whose names end in C(.tar)).
      - A volume enters as a whole or not at all. Volumes may come in any order, on any day, and more than once.
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
  signers_needed:
    description: How many different names of O(allowed_signers) must have signed.
    type: int
    default: 1
  series_record:
    description:
      - File on this machine that keeps the highest serial number of each series of bundles that was used here.
      - Where the newest bundle of a series in the depot has a lower one, this fails. Bundles of any age can be merged beside a newer one.
    type: path
  allow_older:
    description: Whether the depot may be used although it lacks a newer bundle that was used here.
    type: bool
    default: false
  allow_expired:
    description: Whether the depot may be used where its newest bundle is beyond the day until which it was made to be valid.
    type: bool
    default: false
  clock_tolerance:
    description: By how many hours the clock of this machine may be off.
    type: int
    default: 24
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
  - module: airgap.cognitive.bundle_volumes
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
    content:
      description: Kind and name in one.
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
    awaited:
      description:
        - Whether it lacks a blob that a merged bundle should have brought, such as one in a volume that did not come yet.
        - What only lacks blobs that were left out of a difference is not awaited, because hosts may have them.
      type: bool
    lacking:
      description:
        - The blobs of it that are not there, each with C(digest), C(size), the C(bundle) that has it, and the numbers of its C(volumes) that have it and did not come.
        - The bundle is empty where no bundle that was merged has it, because the blob was left out of a difference.
      type: list
      elements: dict
rows:
  description: The same for a table, with C(kind), C(name), C(content) (kind and name), C(bundle), C(complete) (V(yes) or V(no)), C(awaited) and C(lacking).
  returned: success, and where a merge names faults
  type: list
  elements: dict
  sample:
    - kind: image
      name: azure-cognitive-services/textanalytics/sentiment:3.0-en
      content: image azure-cognitive-services/textanalytics/sentiment:3.0-en
      bundle: 4c0ffee0d15ea5e5
      complete: "no"
      awaited: true
      lacking: 2 blobs (1.2 GiB), in volume 2 of bundle 4c0ffee0d15ea5e5
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
  description: By the id of each bundle that was in O(source), everybody who signed it.
  returned: with O(state=merged)
  type: dict
  sample: {4c0ffee0d15ea5e5: [staging@example.com]}
notes:
  description: What is odd about O(source) and does no harm, such as a volume that is there twice.
  returned: with O(state=merged)
  type: list
  elements: str
  sample: []
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

import datetime
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.cognitive.plugins.module_utils._depot import Depot, outline
from ansible_collections.airgap.cognitive.plugins.module_utils._depot_merge import Merge
from ansible_collections.airgap.cognitive.plugins.module_utils._depot_prune import Prune, removed
from ansible_collections.airgap.cognitive.plugins.module_utils._depot_verify import verify_depot
from ansible_collections.airgap.cognitive.plugins.module_utils._depot_view import describe, table
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import SshVerifier
from ansible_collections.airgap.cognitive.plugins.module_utils._terms import Policy
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
    if module.params["series_record"]:
        _hold_to_terms(module, depot)
    count = len(depot.bundles())
    return {"changed": False, "msg": f"Depot {depot.path} holds {count} {'bundle' if count == 1 else 'bundles'}.", **_view(depot)}


def merged(module: AnsibleModule) -> dict[str, t.Any]:
    """Take the source in."""
    options = module.params
    verifier = SshVerifier(options["allowed_signers"], options["signer"], signers_needed=options["signers_needed"])
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
            "notes": job.notes,
            "diff": difference,
            **_view(depot),
        }
        _raise_faults(job.faults, result)
        reasons += _hold_to_terms(module, depot)
        result["changed"] = bool(reasons)
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
    verifier = SshVerifier(options["allowed_signers"], options["signer"], signers_needed=options["signers_needed"])
    with Depot(options["path"]) as depot:
        verdict = verify_depot(depot, verifier)
        _raise_faults(verdict.faults, {})
        return {
            "changed": False,
            "msg": f"Depot {depot.path} is as its bundles say: {verdict.files} blobs, {format_size(verdict.size)}, signed by {', '.join(verdict.signers)}.",
            "faults": [],
            **_view(depot),
        }


def _hold_to_terms(module: AnsibleModule, depot: Depot) -> list[str]:
    """Refuse a depot whose newest bundles are older than what was used here, or expired; why the record of them is written."""
    options = module.params
    policy = Policy(options["series_record"], options["allow_older"], options["allow_expired"], datetime.timedelta(hours=options["clock_tolerance"]))
    reasons = []
    newest = {str(bundle.catalogue.get("series", "")): bundle for bundle in reversed(depot.bundles())}
    for series, bundle in sorted(newest.items()):
        for warning in policy.judge(bundle.catalogue, bundle.id):
            module.warn(warning)
        if policy.reason_to_remember(bundle.catalogue):
            reasons.append(f"bundle {bundle.id} is the newest yet of series {series}")
            if not module.check_mode:
                policy.remember(bundle.catalogue)
    return reasons


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
            "signers_needed": {"type": "int", "default": 1},
            "series_record": {"type": "path"},
            "allow_older": {"type": "bool", "default": False},
            "allow_expired": {"type": "bool", "default": False},
            "clock_tolerance": {"type": "int", "default": 24},
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
