#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: license_download
short_description: Download the license of an image, and its models, on the connected side
version_added: 0.1.0
description:
  - Runs the image once with C(DownloadLicense=True), and before or after it with the family's own options for models, until the directory is whole,
    whether the container ends by itself or stays up. The container is removed in any case.
  - The license directory is opaque. It is put in place whole or not at all; a record of image, time and checksums is kept beside it.
  - A license that is there for this very image, and not near its declared end, is left alone.
  - What the container is known to say when it refuses is told as cause and cure, with the end of its log.
  - Families whose settings choose their models have a directory for each choice; the trees that are returned carry it in their tag.
  - Where only the download tells what the container is to run with (C(text-translation)), the record keeps it, and M(airgap.cognitive.tree_push) returns it.
  - The key reaches the container as environment, and nothing else. What a run that was killed leaves, the next run takes away.
author:
  - the airgap.cognitive authors
extends_documentation_fragment:
  - airgap.cognitive.attributes
  - airgap.cognitive.attributes.actiongroup_cognitive
  - airgap.cognitive.docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  family:
    description: Family in the catalogue.
    type: str
    required: true
  tag:
    description: Tag of the image.
    type: str
    required: true
  image:
    description: Reference of the image.
    type: str
    required: true
  endpoint:
    description: Endpoint of the Azure resource with the commitment plan.
    type: str
    required: true
  api_key:
    description: Key of that resource.
    type: str
    required: true
  model_endpoint:
    description: Endpoint of the Azure resource for the models, for families that take them by another one than the license (C(custom-speech-to-text)).
    type: str
  model_api_key:
    description: Key of that resource.
    type: str
  models_source:
    description: Directory with the files that are brought by hand, for families whose models are exported elsewhere (C(luis)). Their names stay.
    type: path
  settings:
    description: What the family lets an operator choose, as languages, a model, or a project; see P(airgap.cognitive.family#lookup).
    type: dict
    default: {}
  path:
    description: The license directory; the record is kept in O(path) with C(.json) added.
    type: path
    required: true
  models_path:
    description: The model directory, for families that need one.
    type: path
  families:
    description: Families that the inventory adds or overrides.
    type: dict
    default: {}
  network:
    description: Network of the engine for the run; without it the engine's default.
    type: str
  environment:
    description:
      - Further environment for the run, for example C(HTTPS_PROXY).
      - It can be seen in the log of a run, so write no password into it.
    type: dict
    default: {}
  renew_before:
    description: Days before O(ends) from which the license is taken again.
    type: int
    default: 30
  ends:
    description: Declared end of the license, as C(2027-03-31). No document says how to read it from the license.
    type: str
  force:
    description: Take it again whatever is there.
    type: bool
    default: false
  timeout:
    description: Seconds until each run of the image must be done. Without it 900 for a license, and 4000 for models, which some families give up after an hour.
    type: float
  settle:
    description:
      - Seconds for which nothing may change in the directory, before it counts as whole while the container still runs.
      - A container that ends by itself is not waited for.
    type: float
    default: 5
  pull:
    description: When to pull the image from its registry.
    type: str
    choices: [missing, never, always]
    default: missing
"""

EXAMPLES = r"""
- name: Download the license of the sentiment container
  airgap.cognitive.license_download:
    family: sentiment
    tag: "3.0-en"
    image: registry.example.com/azure-cognitive-services/textanalytics/sentiment:3.0-en
    endpoint: "{{ vault_resources.sentiment.endpoint }}"
    api_key: "{{ vault_resources.sentiment.api_key }}"
    path: ./staging/licenses/sentiment/3.0-en
"""

RETURN = r"""
reason:
  description: Why the license was taken, or null.
  returned: success
  type: str
trees:
  description: The directories, as M(airgap.cognitive.bundle_export) takes them.
  returned: success
  type: list
  elements: dict
files:
  description: How many files the license has.
  returned: success
  type: int
"""

import datetime
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.cognitive.plugins.module_utils._download_request import Request, read_settings
from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine, EngineImage
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._family import Catalogue
from ansible_collections.airgap.cognitive.plugins.module_utils._license import (
    download,
    files_of,
    leftovers,
    read_record,
    reason_to_download,
    sweep,
    write_record,
)
from ansible_collections.airgap.cognitive.plugins.module_utils._run import run_module

_PASSED_ON = ("tag", "image", "endpoint", "api_key", "model_endpoint", "model_api_key", "network", "renew_before", "ends", "timeout", "settle")


def work(params: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Take the license where there is a reason to."""
    family = Catalogue(params["families"]).get(params["family"])
    request = Request(
        family=family,
        settings=read_settings(family, params["tag"], params["settings"]),
        models_source=os.path.abspath(params["models_source"]) if params["models_source"] else None,
        # An engine takes mounts by their whole path.
        path=os.path.abspath(params["path"]),
        models_path=os.path.abspath(params["models_path"]) if params["models_path"] else None,
        environment={str(key): str(value) for key, value in params["environment"].items()},
        **{key: params[key] for key in _PASSED_ON},
    )
    request.check()
    engine = Engine(params["docker_host"])
    image = engine.image(request.image)
    if params["pull"] == "always" or (image is None and params["pull"] == "missing"):
        if check_mode and image is None:
            return _result(request, None, "its image is to be pulled first", before=read_record(request), check_mode=True)
        if not check_mode:
            engine.pull(request.image)
            image = engine.image(request.image)
    if image is None:
        raise CognitiveError(f"Image {request.image} is not in the engine; pull it, or let this module do so with pull: missing.")
    before = read_record(request)
    reason = reason_to_download(request, image, params["force"], datetime.datetime.now(datetime.timezone.utc).date())
    if reason:
        if not check_mode:
            download(engine, request, image)
    elif leftovers(engine, request):
        reason = "an earlier run was killed, and its container was still there"
        if not check_mode:
            sweep(engine, request)
    elif before and before.get("ends") != request.ends:
        reason = "its declared end is another one"
        if not check_mode:
            write_record(request, {**before, "ends": request.ends})
    return _result(request, image, reason, before, check_mode)


def _result(request: Request, image: EngineImage | None, reason: str | None, before: dict[str, t.Any] | None, check_mode: bool) -> dict[str, t.Any]:
    title = f"license of {request.family.name} {request.release}"
    return {
        "changed": reason is not None,
        "reason": reason,
        "msg": f"The {title} {'would be' if check_mode else 'was'} taken or put right: {reason}." if reason else f"The {title} is there.",
        "files": len(files_of(request.path)),
        "trees": [
            {
                "kind": kind,
                "family": request.family.name,
                "tag": request.release,
                "image": request.image,
                "path": request.directory(kind),
                "metadata": request.record_path if kind == "license" else None,
            }
            for kind in sorted(request.kinds)
        ],
        "diff": {"before": _side(title, before), "after": _after(request, title, image, reason, before)},
    }


def _side(title: str, record: t.Mapping[str, t.Any] | None) -> dict[str, t.Any]:
    """One side of a diff."""
    return {title: {key: record.get(key) for key in ("image_id", "downloaded", "ends")}} if record else {}


def _after(request: Request, title: str, image: EngineImage | None, reason: str | None, before: dict[str, t.Any] | None) -> dict[str, t.Any]:
    if reason is None:
        return _side(title, before)
    now = read_record(request)
    if now != before:
        return _side(title, now)
    # In check mode nobody knows when it will be.
    return _side(title, {"image_id": image.id if image else None, "downloaded": "in a run without check mode", "ends": request.ends})


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "family": {"type": "str", "required": True},
            "tag": {"type": "str", "required": True},
            "image": {"type": "str", "required": True},
            "endpoint": {"type": "str", "required": True},
            "api_key": {"type": "str", "required": True, "no_log": True},
            "model_endpoint": {"type": "str"},
            "model_api_key": {"type": "str", "no_log": True},
            "models_source": {"type": "path"},
            "settings": {"type": "dict", "default": {}},
            "path": {"type": "path", "required": True},
            "models_path": {"type": "path"},
            "families": {"type": "dict", "default": {}},
            "network": {"type": "str"},
            "environment": {"type": "dict", "default": {}},
            "renew_before": {"type": "int", "default": 30},
            "ends": {"type": "str"},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "float"},
            "settle": {"type": "float", "default": 5},
            "pull": {"type": "str", "choices": ["missing", "never", "always"], "default": "missing"},
            "docker_host": {"type": "str"},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: work(module.params, module.check_mode))


if __name__ == "__main__":
    main()
