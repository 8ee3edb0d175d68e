# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of M(airgap.cognitive.image_push)."""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.plugin_utils._transfer import PushAction, documents

_MODULE = "airgap.cognitive.image_push"
_ARGUMENTS = {
    "bundle": {"type": "path", "required": True},
    "images": {"type": "list", "elements": "str", "required": True},
    "spool": {"type": "path", "default": "/var/lib/cognitive/.spool"},
    "docker_host": {"type": "str"},
}


class ActionModule(PushAction):
    """Asks the host what it lacks, sends that, and has it loaded."""

    def _push(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        _validation, args = self.validate_argument_spec(_ARGUMENTS)
        bundle = Bundle(args["bundle"])
        images = [bundle.image(name) for name in dict.fromkeys(args["images"])]
        host = task_vars["inventory_hostname"]
        plan = self._on_host(_MODULE, args, {"name": "plan", "images": images}, task_vars)
        todo = [image["name"] for image in plan["images"] if image["reason"]]
        result = {
            "changed": bool(todo),
            "msg": f"{len(todo)} of {len(images)} images to load, {len(plan['lacking'])} layers to send." if todo else "The engine holds every image.",
            "images": plan["images"],
            "engine": plan["engine"],
            "room": plan["room"],
            "sent_bytes": 0,
            "diff": {"before": dict.fromkeys(todo, "not as in the bundle"), "after": dict.fromkeys(todo, "as in the bundle")},
        }
        if not todo or self._task.check_mode:
            return result
        wanted = [image for image in images if image["name"] in todo]
        small = documents(bundle, [digest for image in wanted for digest in (image["manifest"], image["config"])])
        lacking = plan["lacking"]
        # A difference that did not take is followed once by all layers of its image.
        for _attempt in range(1 + len(wanted)):
            result["sent_bytes"] += self._send(bundle, lacking, plan["incoming"], host)
            answer = self._on_host(_MODULE, args, {"name": "load", "images": wanted, "documents": small}, task_vars)
            lacking = answer["lacking"]
            if not lacking:
                return result
        return {**result, "failed": True, "msg": f"{host}: {len(lacking)} blobs do not arrive whole; verify the bundle, then run again."}
