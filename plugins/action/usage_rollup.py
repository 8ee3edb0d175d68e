# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything of M(airgap.cognitive.usage_rollup): ledgers and reports are the controller's."""

from __future__ import annotations

import os
import typing as t
from decimal import Decimal

from ansible.plugins.action import ActionBase

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.plugin_utils._commitments import check_commitments
from ansible_collections.airgap.cognitive.plugins.plugin_utils._ledger import read_ledgers
from ansible_collections.airgap.cognitive.plugins.plugin_utils._readings import plain
from ansible_collections.airgap.cognitive.plugins.plugin_utils._report import render_report, why_write, write_report
from ansible_collections.airgap.cognitive.plugins.plugin_utils._rollup import roll_up

_ARGUMENTS = {
    "ledger": {"type": "list", "elements": "path", "required": True},
    "report": {"type": "path", "required": True},
    "expected": {"type": "list", "elements": "dict", "default": []},
    "commitments": {"type": "list", "elements": "dict", "default": []},
    "title": {"type": "str", "default": "Usage of Azure AI containers"},
}


class ActionModule(ActionBase):
    """Reads, counts, writes; no host is touched."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Write the report where it differs."""
        result = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(_ARGUMENTS)
        try:
            result.update(self._roll_up(args))
        except CognitiveError as error:
            result.update(failed=True, msg=str(error), **error.details)
        return result

    def _roll_up(self, args: dict[str, t.Any]) -> dict[str, t.Any]:
        check_commitments(args["commitments"])
        for number, service in enumerate(args["expected"], 1):
            for key in ("host", "name", "family"):
                if not service.get(key):
                    raise CognitiveError(f"Expected service {number} has no {key}; give the services as airgap.cognitive.service_info returns them.")
        directory = os.path.abspath(args["report"])
        ledgers = [os.path.abspath(ledger) for ledger in args["ledger"]]
        if self._task.check_mode:
            # The gathering before this made none, where it would be the first.
            ledgers = [ledger for ledger in ledgers if os.path.exists(ledger)]
        results = roll_up(read_ledgers(ledgers), args["expected"], args["commitments"], args["title"])
        files = render_report(results)
        reason = why_write(directory, files)
        result: dict[str, t.Any] = {
            "changed": reason is not None,
            "reason": reason,
            "msg": f"Report of {directory}: {reason or 'nothing new'}.",
            "as_of": results["as_of"],
            "totals": _numbers(results["totals"]),
            "commitments": _numbers(results["commitments"]),
            "gaps": [finding["text"] for finding in results["findings"] if finding["level"] == "gap"],
            "anomalies": [finding["text"] for finding in results["findings"] if finding["level"] == "anomaly"],
        }
        result.update({name.rpartition(".")[2]: os.path.join(directory, name) for name in files})
        if self._task.diff:
            before = _text(os.path.join(directory, "usage.csv"))
            result["diff"] = {"before": before, "after": files["usage.csv"].decode("utf-8"), "before_header": result["csv"], "after_header": result["csv"]}
        if reason and not self._task.check_mode:
            write_report(directory, files)
        return result


def _numbers(rows: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """C(rows) with numbers that a result can carry without a loss."""
    return [{key: _number(value) if isinstance(value, Decimal) else value for key, value in row.items()} for row in rows]


def _number(value: Decimal) -> int | str:
    return int(value) if value == value.to_integral_value() else plain(value)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except (OSError, UnicodeDecodeError):
        return ""
