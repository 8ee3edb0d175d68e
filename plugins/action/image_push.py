# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of M(airgap.cognitive.image_push)."""

from __future__ import annotations

import base64
import json
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._ladder import make_rung
from ansible_collections.airgap.cognitive.plugins.plugin_utils._transfer import PushAction, documents

_MODULE = "airgap.cognitive.image_push"
_ARGUMENTS = {
    "bundle": {"type": "path", "required": True},
    "images": {"type": "list", "elements": "str", "required": True},
    "spool": {"type": "path", "default": "/var/lib/cognitive/.spool"},
    "ladder": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
    "request_dir": {"type": "path"},
    "docker_host": {"type": "str"},
}


class ActionModule(PushAction):
    """Asks the host what it lacks, sends that, and has it loaded."""

    _what = "images"

    def _push(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        _validation, self._args = self.validate_argument_spec(_ARGUMENTS)
        self._vars = task_vars
        self._requests = self._args.pop("request_dir")
        self._bundle = Bundle(self._args["bundle"])
        images = [self._bundle.image(name) for name in dict.fromkeys(self._args["images"])]
        plan = self._plan(images)
        self._settle(self._bundle, plan["lacking"])
        todo = [entry for entry in plan["images"] if entry["reason"]]
        result = {
            "changed": bool(todo),
            "msg": f"{len(todo)} of {len(images)} images to load, {len(plan['lacking'])} layers to send." if todo else "The engine holds every image.",
            **{key: plan[key] for key in ("images", "engine", "room", "ladder")},
            "send_bytes": sum(plan["lacking"].values()) - sum(plan["begun"].values()),
            "sent_bytes": 0,
            "diff": {"before": {entry["name"]: entry["before"] for entry in todo}, "after": {entry["name"]: entry["id"] for entry in todo}},
        }
        if self._task.check_mode or not (todo or plan["leftovers"]):
            return result
        sent, loaded = self._climb(images, plan) if plan["ladder"] else self._send_and_load(images, plan)
        return {
            **result,
            # Another push may have been faster.
            "changed": bool(loaded),
            "msg": f"{len(loaded)} of {len(images)} images loaded." if loaded else "The engine holds every image.",
            "sent_bytes": sent,
        }

    def _plan(self, images: list[t.Any], ladder: str | None = None) -> dict[str, t.Any]:
        args = {**self._args, "ladder": ladder or self._args["ladder"]}
        return self._on_host(_MODULE, args, {"name": "plan", "images": images}, self._vars)

    def _send_and_load(self, images: list[t.Any], plan: dict[str, t.Any], small: dict[str, str] | None = None) -> tuple[int, list[str]]:
        """Send what C(plan) says lacks and have the images loaded; the bytes sent, and the names of those that were loaded."""
        if small is None:
            named = {entry["name"] for entry in plan["images"] if entry["reason"]}
            small = documents(self._bundle, [digest for image in images if image["name"] in named for digest in (image["manifest"], image["config"])])

        def load(answer: dict[str, t.Any]) -> dict[str, t.Any]:
            step = {"name": "load", "images": images, "documents": small, "whole": answer.get("whole", [])}
            return self._on_host(_MODULE, self._args, step, self._vars)

        sent, answers = self._send_and_finish(self._bundle, self._args["spool"], plan, load)
        return sent, [name for answer in answers for name in answer["loaded"]]

    def _climb(self, images: list[t.Any], plan: dict[str, t.Any]) -> tuple[int, list[str]]:
        """The same, image by image and layer by layer."""
        sent, loaded = 0, []
        for image in images:
            for count in plan["ladder"].get(image["name"], []):
                config = json.loads(base64.b64decode(documents(self._bundle, [image["config"]])[image["config"]]))
                rung, small = make_rung(image, config, count)
                sent += self._send_and_load([rung], self._plan([rung], "never"), small)[0]
            more, names = self._send_and_load([image], self._plan([image], "never"))
            sent, loaded = sent + more, loaded + names
        return sent, loaded
