#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_export
short_description: Make an offline bundle of images, licenses and models, or bring one up to date
version_added: 0.1.0
author:
  - The airgap.cognitive authors (@airgap)
description:
  - Writes one directory that holds all that a site without internet needs, each file of it once, named by its checksum, and signed.
  - The directory is an OCI image layout, so that any OCI tool reads its images (C(skopeo inspect oci:DIRECTORY:NAME)), and a signed list of files
    that anyone can check with C(ssh-keygen -Y verify) and C(sha256sum -c).
  - Images are read from an engine in one go, as a stream. Layers that come uncompressed are compressed once with the program C(zstd). Layers that come compressed are kept as they are.
  - Images that M(airgap.cognitive.image_fetch) brought are taken over blob by blob, as their registry serves them. Where all are such images no engine is needed.
  - What the bundle already holds is not written again. Where nothing is new, nothing but the identities of the images is read from the engine.
  - An export that fails leaves the earlier bundle as it was. One that is killed is mended by the next.
  - No key can come in. The module takes none, copies only the listed directories, and refuses an image that has one set in its configuration.
extends_documentation_fragment:
  - airgap.cognitive.attributes
  - airgap.cognitive.docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  path:
    description:
      - The directory of the bundle. It is made where it is not there.
      - A directory that holds anything that is not part of a bundle is refused.
    type: path
    required: true
  images:
    description: The images that the bundle must hold. They have to be in the engine, or in a directory of M(airgap.cognitive.image_fetch).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the image with its tag.
        type: str
        required: true
      family:
        description: Family of containers that the image is for.
        type: str
        required: true
      tag:
        description: Tag of the image, as services name it.
        type: str
        required: true
      hosts:
        description: The hosts that are to run it, as receipts name them; without them, receipts of hosts leave nothing of it out.
        type: list
        elements: str
        default: []
      layout:
        description:
          - Directory of M(airgap.cognitive.image_fetch) from which this image is taken, every blob as its registry serves it. Without it the engine is asked.
          - Blobs become second names of the files there where both are on one file system, and are copied otherwise.
        type: path
  trees:
    description: The license and model directories that the bundle must hold.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: What the directory is.
        type: str
        choices: [license, models]
        required: true
      family:
        description: Family of containers that it is for.
        type: str
        required: true
      tag:
        description: Tag of the image that it is for.
        type: str
        required: true
      image:
        description:
          - Name of the image that it is for; one of O(images).
          - A license that was taken with another image than the one that the engine now holds under this name is refused.
        type: str
        required: true
      path:
        description: The directory on this machine.
        type: path
        required: true
      metadata:
        description:
          - The record that M(airgap.cognitive.license_download) wrote beside the directory.
          - Needed for a license. Files that are not as the record says are refused.
        type: path
  signing_key:
    description:
      - File of the SSH key that signs the list; a private key without a passphrase, or a public key whose private half is in the SSH agent.
      - Where several are named, each of them signs; O(airgap.cognitive.bundle_verify#module:signers_needed) makes a site ask for that.
    type: list
    elements: path
    required: true
  against:
    description:
      - What the other side has already, so that it is left out. Each is the directory of an earlier bundle, or one with receipts that came back.
      - What an earlier bundle names is left out. The site needs a depot that took that bundle in, or hosts that run what it brought.
      - What receipts (M(airgap.cognitive.receipt)) prove that the depot, or every host that is to run an image, holds is left out.
      - Where a request is among the receipts (M(airgap.cognitive.image_push)), the bundle brings just the blobs that were asked for.
    type: list
    elements: path
    default: []
  series:
    description: Name of the series that the bundle is part of; serial numbers grow within it.
    type: str
    default: default
  valid_days:
    description:
      - For how many days a site accepts the bundle; V(0) means for ever.
      - A bundle whose content stays the same is given a new term by the first export in the last third of it.
    type: int
    default: 0
  prune:
    description: Whether images and trees that the bundle holds and that are not named here leave it.
    type: bool
    default: true
requirements:
  - Docker SDK for Python 5.0.3 or later
  - the programs C(ssh-keygen) and C(zstd)
notes:
  - skopeo reads the images of a bundle in any version that Debian 12 and later ship. Copying one to a format of Docker (C(docker-archive), C(docker-daemon)) in one step
    needs skopeo 1.14 or later where the layers were compressed with zstd. An older one needs two steps, C(skopeo copy --dest-decompress oci:DIRECTORY:NAME dir:PLACE)
    and C(skopeo copy dir:PLACE docker-archive:FILE:NAME).
seealso:
  - module: airgap.cognitive.bundle_verify
  - module: airgap.cognitive.bundle_info
  - module: airgap.cognitive.image_fetch
"""

EXAMPLES = r"""
- name: Make a bundle of one service's image and license
  airgap.cognitive.bundle_export:
    path: /srv/bundle
    signing_key: /root/.ssh/bundle_signing
    images:
      - name: azure-cognitive-services/textanalytics/sentiment:3.0-en
        family: sentiment
        tag: 3.0-en
    trees:
      - kind: license
        family: sentiment
        tag: 3.0-en
        image: azure-cognitive-services/textanalytics/sentiment:3.0-en
        path: /srv/staging/sentiment/3.0-en/license
        metadata: /srv/staging/sentiment/3.0-en/license.json
"""

RETURN = r"""
reasons:
  description: Why the bundle was written, or in check mode would be. Empty when it is as it should be.
  returned: success
  type: list
  elements: str
  sample: ["image azure-cognitive-services/textanalytics/sentiment:3.0-en is not in the bundle"]
bundle:
  description: What the bundle holds now. In check mode, what it holds before the export; empty where there is none.
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
left_out:
  description: How many blobs, and of how many bytes, the bundle does without, because the other side has them.
  returned: success
  type: dict
  sample:
    blobs: 12
    bytes: 4831838208
rows:
  description: For each image in the bundle its C(family), C(tag), C(image), when its C(license) was downloaded, and when that C(ends), for a table.
  returned: success
  type: list
  elements: dict
  sample:
    - family: sentiment
      tag: 3.0-en
      image: azure-cognitive-services/textanalytics/sentiment:3.0-en
      license: "2026-11-24T22:00:00Z"
      ends: unknown
written_bytes:
  description: How many bytes were written into the bundle.
  returned: success
  type: int
  sample: 104857600
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import CATALOGUE, Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_directory import BundleDirectory
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_export import Export
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_tree import TreeSource
from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._held import Held
from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import SshSigner
from ansible_collections.airgap.cognitive.plugins.module_utils._source import ImageSource, WantedImage
from ansible_collections.airgap.cognitive.plugins.module_utils._source_engine import EngineSource
from ansible_collections.airgap.cognitive.plugins.module_utils._source_layout import LayoutSource
from ansible_collections.airgap.cognitive.plugins.module_utils._terms import Terms
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size


def export(module: AnsibleModule) -> dict[str, t.Any]:
    """Bring the bundle up to date, unless it is."""
    options = module.params
    signers = [SshSigner(key) for key in options["signing_key"]]
    terms = Terms(options["series"], options["valid_days"], _held(options))
    images = _wanted(options["images"], options["docker_host"])
    with BundleDirectory(options["path"], write=not module.check_mode) as directory:
        job = Export(
            directory,
            images,
            [TreeSource(**tree) for tree in options["trees"]],
            signers,
            options["prune"],
            terms,
        )
        reasons, difference = job.reasons(), job.difference()
        written = job.run() if reasons and not module.check_mode else 0
        return {
            "changed": bool(reasons),
            "reasons": reasons,
            "msg": _message(directory.path, reasons, written, module.check_mode),
            "bundle": directory.bundle.summary if directory.bundle else {},
            "rows": _rows(directory.bundle),
            "written_bytes": written,
            "left_out": _left_out(directory.bundle),
            "diff": difference,
        }


def _held(options: dict[str, t.Any]) -> Held:
    """What the other side has, as far as it is known."""
    held = Held()
    for path in options["against"]:
        if os.path.realpath(path) == os.path.realpath(options["path"]):
            raise CognitiveError(f"The bundle {path} cannot be written against itself; name an earlier bundle in another directory.")
        if os.path.exists(os.path.join(path, CATALOGUE)):
            held.learn_bundle(Bundle(path))
        else:
            held.learn_documents(path)
    return held


def _left_out(bundle: Bundle | None) -> dict[str, int]:
    absent = bundle.absent if bundle else {}
    return {"blobs": len(absent), "bytes": sum(absent.values())}


def _wanted(images: list[dict[str, t.Any]], docker_host: str | None) -> list[WantedImage]:
    """Each image with its source; an engine is looked for only where one of them is to come from there."""
    places = dict.fromkeys(image["layout"] for image in images)
    sources: dict[str | None, ImageSource] = {place: LayoutSource(place) if place else EngineSource(Engine(docker_host)) for place in places}
    return [WantedImage(image["name"], image["family"], image["tag"], sources[image["layout"]], tuple(image["hosts"])) for image in images]


def _message(path: str, reasons: list[str], written: int, check_mode: bool) -> str:
    if not reasons:
        return f"The bundle {path} is as it should be, nothing was written."
    if check_mode:
        return f"The bundle {path} would be written: {'; '.join(reasons)}."
    return f"The bundle {path} was written, {format_size(written)} new: {'; '.join(reasons)}."


def _rows(bundle: Bundle | None) -> list[dict[str, t.Any]]:
    if bundle is None:
        return []
    rows = []
    for image in bundle.images():
        # One image may have a license for each choice of models.
        for tree in [tree for tree in bundle.trees("license") if tree["image"] == image["name"]] or [None]:
            taken, ends, tag = (tree["downloaded"], tree["ends"], tree["tag"]) if tree else ("none", None, image["tag"])
            rows.append({"family": image["family"], "tag": tag, "license": taken, "ends": ends or "unknown", "image": image["name"]})
    return rows


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "images": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "family": {"type": "str", "required": True},
                    "tag": {"type": "str", "required": True},
                    "hosts": {"type": "list", "elements": "str", "default": []},
                    "layout": {"type": "path"},
                },
            },
            "trees": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "kind": {"type": "str", "choices": ["license", "models"], "required": True},
                    "family": {"type": "str", "required": True},
                    "tag": {"type": "str", "required": True},
                    "image": {"type": "str", "required": True},
                    "path": {"type": "path", "required": True},
                    "metadata": {"type": "path"},
                },
            },
            "signing_key": {"type": "list", "elements": "path", "required": True, "no_log": False},
            "against": {"type": "list", "elements": "path", "default": []},
            "series": {"type": "str", "default": "default"},
            "valid_days": {"type": "int", "default": 0},
            "prune": {"type": "bool", "default": True},
            "docker_host": {"type": "str"},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: export(module))


if __name__ == "__main__":
    main()
