# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of M(airgap.cognitive.tree_push)."""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.plugin_utils._transfer import PushAction

_MODULE = "airgap.cognitive.tree_push"
_ARGUMENTS = {
    "bundle": {"type": "path", "required": True},
    "trees": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "kind": {"type": "str", "choices": ["license", "models"], "required": True},
            "family": {"type": "str", "required": True},
            "tag": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
            "owner": {"type": "int", "default": 65532},
            "group": {"type": "int", "default": 65532},
            "mode": {"type": "str", "default": "0440"},
            "directory_mode": {"type": "str", "default": "0550"},
        },
    },
    "spool": {"type": "path", "default": "/var/lib/cognitive/.spool"},
    "request_dir": {"type": "path"},
}


class ActionModule(PushAction):
    """Asks the host which files it lacks, sends those, and has each tree put in place whole."""

    _what = "trees"

    def _push(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        _validation, args = self.validate_argument_spec(_ARGUMENTS)
        self._requests = args.pop("request_dir")
        bundle = Bundle(args["bundle"])
        held = {(tree["kind"], tree["family"], tree["tag"]): tree for tree in bundle.trees()}
        trees = []
        environments = {}
        for wanted in args["trees"]:
            found = held.get((wanted["kind"], wanted["family"], wanted["tag"]))
            if found is None:
                raise CognitiveError(
                    f"The bundle {bundle.path} has no {wanted['kind']} of {wanted['family']} {wanted['tag']}; export it again with this inventory."
                )
            environments[wanted["dest"]] = found.get("environment", {})
            trees.append({**wanted, "directories": found["directories"], "files": found["files"], "manifest": found["manifest"]})
        plan = self._on_host(_MODULE, args, {"name": "plan", "trees": trees}, task_vars)
        self._settle(bundle, plan["lacking"])
        todo = {dest: reason for dest, reason in plan["reasons"].items() if reason}
        result = {
            "changed": bool(todo),
            "msg": f"{len(todo)} of {len(trees)} trees to put in place." if todo else "Every tree is in place.",
            "trees": [{"dest": dest, "changed": bool(reason), "reason": reason} for dest, reason in plan["reasons"].items()],
            "digests": {tree["dest"]: tree["manifest"] for tree in trees},
            "environments": environments,
            "sent_bytes": 0,
            "diff": {"before": todo, "after": {tree["dest"]: tree["manifest"] for tree in trees if tree["dest"] in todo}},
        }
        if self._task.check_mode or not (todo or plan["leftovers"]):
            return result

        def place(_answer: dict[str, t.Any]) -> dict[str, t.Any]:
            return self._on_host(_MODULE, args, {"name": "place", "trees": trees}, task_vars)

        sent, answers = self._send_and_finish(bundle, args["spool"], plan, place)
        placed = [dest for answer in answers for dest in answer["placed"]]
        return {
            **result,
            "changed": bool(placed),
            "msg": f"{len(placed)} of {len(trees)} trees put in place." if placed else "Every tree is in place.",
            "sent_bytes": sent,
        }
