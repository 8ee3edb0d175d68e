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
        plan = self._on_host(_MODULE, args, {"name": "plan", "images": images}, task_vars)
        todo = [image for image in plan["images"] if image["reason"]]
        result = {
            "changed": bool(todo),
            "msg": f"{len(todo)} of {len(images)} images to load, {len(plan['lacking'])} layers to send." if todo else "The engine holds every image.",
            "images": plan["images"],
            "engine": plan["engine"],
            "room": plan["room"],
            "send_bytes": sum(plan["lacking"].values()) - sum(plan["begun"].values()),
            "sent_bytes": 0,
            "diff": {"before": {image["name"]: image["before"] for image in todo}, "after": {image["name"]: image["id"] for image in todo}},
        }
        if self._task.check_mode or not (todo or plan["leftovers"]):
            return result
        named = {image["name"] for image in todo}
        small = documents(bundle, [digest for image in images if image["name"] in named for digest in (image["manifest"], image["config"])])

        def load(answer: dict[str, t.Any]) -> dict[str, t.Any]:
            step = {"name": "load", "images": images, "documents": small, "whole": answer.get("whole", [])}
            return self._on_host(_MODULE, args, step, task_vars)

        sent, answers = self._send_and_finish(bundle, args["spool"], plan, load)
        loaded = [name for answer in answers for name in answer["loaded"]]
        return {
            **result,
            # Another push may have been faster.
            "changed": bool(loaded),
            "msg": f"{len(loaded)} of {len(images)} images loaded." if loaded else "The engine holds every image.",
            "sent_bytes": sent,
        }
