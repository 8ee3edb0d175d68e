#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_fetch
short_description: Bring images from their registry, every blob as it is served there
version_added: 0.1.0
description:
  - Keeps images in one directory, an OCI image layout, with manifest, config and layers byte by byte as the registry serves them.
    So their digests stay those of the registry, and M(airgap.cognitive.bundle_export) takes them from there (O(airgap.cognitive.bundle_export#module:images[].layout)).
  - The engine beside it gets the images from these same blobs, and just the layers that it lacks. Nothing is downloaded twice.
  - The program C(skopeo) does the transport, several layers at a time. Every blob is read and compared with its digest, also on a later run. One that lacks or was altered is fetched again.
  - A fetch that is broken off or killed leaves the blobs that came whole, and the next one goes on with the others. A layer that came in part is fetched from its begin.
  - A tag whose digest in the registry is unchanged costs one request for its manifest.
  - An image whose manifest is in Docker's format gets a second one beside it in OCI's, because skopeo finds images of a layout by that only.
author:
  - the airgap.cognitive authors
extends_documentation_fragment:
  - airgap.cognitive.attributes
  - airgap.cognitive.attributes.actiongroup_cognitive
  - airgap.cognitive.docker
attributes:
  check_mode:
    support: full
    details:
      - Manifests and configs are asked for in check mode too, and nothing is kept.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  images:
    description: References of the images, with their tags.
    type: list
    elements: str
    required: true
  path:
    description:
      - The directory. It is made where it is not there. Images of earlier runs stay in it, and blobs that no image names any more go.
      - A directory that holds anything else is refused.
    type: path
    required: true
  platform:
    description: Which image of a list is taken, as C(os/architecture) or C(os/architecture/variant).
    type: str
    default: linux/amd64
  refresh:
    description: Whether the registry is asked for an image that is there whole. Without it such an image needs no registry at all.
    type: bool
    default: true
  load:
    description: Whether the engine is to hold the images too.
    type: bool
    default: true
  authfile:
    description:
      - File of credentials, as C(skopeo login --authfile FILE) and C(docker login) write it.
      - Without it skopeo looks where it always does, which is C(~/.docker/config.json) last.
    type: path
  tls_verify:
    description: Whether the registry must speak TLS, with a certificate that is trusted here.
    type: bool
    default: true
  ca_dir:
    description: Directory with certificates of authorities that are trusted too, as C(*.crt).
    type: path
  retries:
    description: How many times more a registry is asked that does not answer or breaks off, after a pause that doubles from one second on.
    type: int
    default: 3
requirements:
  - the program C(skopeo) 1.9 or later
seealso:
  - module: airgap.cognitive.bundle_export
"""

EXAMPLES = r"""
- name: Bring the image of the sentiment container, for the bundle and for the engine that takes its license
  airgap.cognitive.image_fetch:
    path: ./staging/images
    images:
      - registry.example.com/azure-cognitive-services/textanalytics/sentiment:3.0-en

- name: Export what was fetched
  airgap.cognitive.bundle_export:
    path: ./bundle
    signing_key: ~/.ssh/bundle-signing
    images:
      - name: registry.example.com/azure-cognitive-services/textanalytics/sentiment:3.0-en
        family: sentiment
        tag: 3.0-en
        layout: ./staging/images
"""

RETURN = r"""
images:
  description: What each image needed.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Reference of the image.
      type: str
    digest:
      description: By which digest the registry serves the tag; that of a list where there are several platforms.
      type: str
    manifest:
      description: Digest of the manifest of the image itself.
      type: str
    config:
      description: Digest of its config.
      type: str
    platform:
      description: What it is for.
      type: str
      sample: linux/amd64
    reason:
      description: Why it was fetched, or null.
      type: str
    bytes:
      description: Size of what lacked of it.
      type: int
    load_reason:
      description: Why the engine was given it, or null.
      type: str
fetched_bytes:
  description: Size of all that lacked, each blob once.
  returned: success
  type: int
  sample: 104857600
loaded:
  description: The images that the engine was given.
  returned: success
  type: list
  elements: str
room:
  description: For each file system, the C(paths) that are written to, the bytes that they will C(need) at the peak, and those that are C(free).
  returned: success
  type: list
  elements: dict
"""

import contextlib
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._fetch import Fetch, Wanted
from ansible_collections.airgap.cognitive.plugins.module_utils._plan import Plan, expected_id, plan_images
from ansible_collections.airgap.cognitive.plugins.module_utils._push import load_images
from ansible_collections.airgap.cognitive.plugins.module_utils._registry import Registry
from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import check_room
from ansible_collections.airgap.cognitive.plugins.module_utils._staging import StagedBlobs, Staging
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size

_OF_REGISTRY = ("authfile", "tls_verify", "ca_dir", "retries")


def work(params: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Fetch what lacks in the directory, then give the engine what lacks there."""
    staging = Staging(params["path"])
    job = Fetch(staging, Registry(**{key: params[key] for key in _OF_REGISTRY}), params["platform"], params["refresh"])
    engine = Engine(params["docker_host"]) if params["load"] else None
    with staging.speaking():
        staging.refuse_foreign()
        with contextlib.nullcontext(-1) if check_mode else staging.locked() as held:
            wanted = [job.look(name) for name in dict.fromkeys(params["images"])]
            blobs = StagedBlobs(staging)
            plan = plan_images(engine, [entry.image for entry in wanted], blobs.pushed()) if engine else Plan((), "classic")
            lacking = {digest: size for entry in wanted for digest, size in entry.lacking.items()}
            needs = [(staging.path, sum(lacking.values())), *([(engine.content_root, plan.engine_bytes)] if engine and engine.local else [])]
            room = check_room([(path, need) for path, need in needs if need], "the fetch")
            if not check_mode:
                for entry in wanted:
                    if entry.reason:
                        job.bring(entry, held)
                staging.sweep()
                if engine and any(entry.reason for entry in plan.images):
                    _load(engine, blobs, wanted)
    return _result(wanted, plan, lacking, room, check_mode)


def _load(engine: Engine, blobs: StagedBlobs, wanted: list[Wanted]) -> None:
    answer = load_images(engine, blobs, [entry.image for entry in wanted], ())
    if answer["lacking"]:
        raise CognitiveError(f"Blob {next(iter(answer['lacking']))} in {blobs.root} was altered while the engine took it in; run this again.")


def _result(wanted: list[Wanted], plan: Plan, lacking: dict[str, int], room: list[dict[str, t.Any]], check_mode: bool) -> dict[str, t.Any]:
    loads = {entry.image["name"]: entry for entry in plan.images}
    images = []
    for entry in wanted:
        name = entry.image["name"]
        images.append(
            {
                "name": name,
                "digest": entry.image["source_id"],
                **{key: entry.image[key] for key in ("manifest", "config", "platform")},  # type: ignore[literal-required]
                "reason": entry.reason,
                "bytes": sum(entry.lacking.values()),
                "load_reason": loads[name].reason if name in loads else None,
            }
        )
    fetched = [entry for entry in wanted if entry.reason]
    loaded = [name for name, entry in loads.items() if entry.reason]
    return {
        "changed": bool(fetched or loaded),
        "msg": _message(len(wanted), len(fetched), sum(lacking.values()), len(loaded), check_mode),
        "images": images,
        "fetched_bytes": sum(lacking.values()),
        "loaded": loaded,
        "room": room,
        "diff": {
            "before": {"directory": {entry.image["name"]: entry.before for entry in fetched}, "engine": {name: loads[name].before for name in loaded}},
            "after": {
                "directory": {entry.image["name"]: entry.image["source_id"] for entry in fetched},
                "engine": {name: expected_id(loads[name].image, plan.store) for name in loaded},
            },
        },
    }


def _message(images: int, fetched: int, size: int, loaded: int, check_mode: bool) -> str:
    if not fetched and not loaded:
        return "Every image is there as its registry serves it."
    would = "would be " if check_mode else ""
    return f"{fetched} of {images} images {would}fetched, {format_size(size)}; {loaded} {would}loaded."


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "list", "elements": "str", "required": True},
            "path": {"type": "path", "required": True},
            "platform": {"type": "str", "default": "linux/amd64"},
            "refresh": {"type": "bool", "default": True},
            "load": {"type": "bool", "default": True},
            "authfile": {"type": "path"},
            "tls_verify": {"type": "bool", "default": True},
            "ca_dir": {"type": "path"},
            "retries": {"type": "int", "default": 3},
            "docker_host": {"type": "str"},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: work(module.params, module.check_mode))


if __name__ == "__main__":
    main()
