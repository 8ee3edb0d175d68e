# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of M(airgap.cognitive.usage_gather): fetch what is new, and write the record."""

from __future__ import annotations

import os
import tempfile
import time
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import (
    CognitiveError,
)
from ansible_collections.airgap.cognitive.plugins.plugin_utils import _gather
from ansible_collections.airgap.cognitive.plugins.plugin_utils._ledger import (
    Entry,
    HostLedger,
    Record,
)
from ansible_collections.airgap.cognitive.plugins.plugin_utils._logs import (
    LogStore,
    batches,
)

_MODULE = "airgap.cognitive.usage_gather"
_ARGUMENTS = {
    "services": {"type": "list", "elements": "dict", "required": True},
    "ledger": {"type": "path", "required": True},
    "site": {"type": "str", "default": "site"},
    "host": {"type": "str"},
    "months": {"type": "int", "default": 3},
    "unreachable": {"type": "bool", "default": False},
    "docker_host": {"type": "str"},
}


class _HostSaysNo(Exception):
    """The host's half failed; its result is the task's result."""

    def __init__(self, result: dict[str, t.Any]) -> None:
        super().__init__(result.get("msg"))
        self.result = result


class ActionModule(ActionBase):
    """Asks with one call of the module; where there are new files, one more for each portion of them."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Gather one host."""
        result = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(_ARGUMENTS)
        task_vars = task_vars or {}
        host = args["host"] or task_vars["inventory_hostname"]
        ledger = HostLedger(os.path.abspath(args["ledger"]), host)
        try:
            if self._task.check_mode:
                result.update(self._gather(args, host, ledger, task_vars))
            else:
                with ledger.locked():
                    result.update(self._gather(args, host, ledger, task_vars))
        except CognitiveError as error:
            result.update(failed=True, msg=str(error), **error.details)
        except _HostSaysNo as refusal:
            result.update(refusal.result)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)  # pylint: disable=protected-access
        return result

    def _gather(self, args: dict[str, t.Any], host: str, ledger: HostLedger, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        last = ledger.last()
        now = time.time()
        if args["unreachable"]:
            return self._write(ledger, last, _gather.unreachable_record(args["site"], host, now, "the host was lost earlier in this run"), [])
        months = _gather.months_to_ask(now, args["months"], last)
        try:
            answer = self._on_host(args, {"name": "ask", "months": months}, task_vars)
        except AnsibleConnectionFailure as error:
            self._write(ledger, last, _gather.unreachable_record(args["site"], host, now, str(error)), [])
            raise
        # The host looked at its clock last, and so do we.
        record = _gather.reachable_record(args["site"], host, now, answer["gathered"], answer["clock"] - (time.time() - now))
        stores = self._fetch(args, record, answer["gathered"]["listings"], ledger, task_vars)
        return self._write(ledger, last, record, stores)

    def _fetch(
        self, args: dict[str, t.Any], record: Record, listings: list[t.Any], ledger: HostLedger, task_vars: dict[str, t.Any]
    ) -> list[tuple[LogStore, list[tuple[str, int]]]]:
        """Bring the new files of each mount here; the stores of all mounts with what was new for them."""
        mounts = {mount["id"]: mount for mount in record["mounts"]}
        stores = []
        for name, files in listings:
            mount, store = mounts[name], LogStore(ledger.path, name)
            wanted = store.wanted(files)
            kept, gone = store.compare(files)
            record["since_last"][name] = {"kept": kept, "gone": gone, "wanted": len(wanted)}
            if not self._task.check_mode:
                for paths in batches(wanted):
                    mount["logs"]["skipped"] += self._fetch_batch(args, mount["path"], paths, store, task_vars)
                store.mark_gone(files)
            mount["logs"]["digest"] = store.digest()
            stores.append((store, wanted))
        return stores

    def _fetch_batch(self, args: dict[str, t.Any], root: str, paths: list[str], store: LogStore, task_vars: dict[str, t.Any]) -> list[dict[str, str]]:
        """One archive: packed there, fetched as the connection's own user, unpacked here; what the host left out."""
        shell = self._connection._shell  # pylint: disable=protected-access
        if shell.tmpdir is None:
            self._make_tmp_path()
        archive = shell.join_path(shell.tmpdir, f"usage-{time.monotonic_ns()}.tar.gz")
        answer = self._on_host(args, {"name": "pack", "root": root, "paths": paths, "archive": archive}, task_vars)
        with tempfile.TemporaryDirectory(prefix="airgap-usage-") as directory:
            local = os.path.join(directory, "logs.tar.gz")
            self._connection.fetch_file(archive, local)
            store.take(local, answer["packed"])
        # Room for the next portion.
        self._low_level_execute_command(shell.remove(archive), sudoable=False)
        return answer["skipped"]

    def _on_host(self, args: dict[str, t.Any], step: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        answer = self._execute_module(module_name=_MODULE, module_args={**args, "_step": step}, task_vars=task_vars)
        if answer.get("failed") or answer.get("unreachable"):
            raise _HostSaysNo(answer)
        return answer

    def _write(self, ledger: HostLedger, last: Entry | None, record: Record, stores: list[tuple[LogStore, list[tuple[str, int]]]]) -> dict[str, t.Any]:
        """Write the record where there is a reason to, then remember the files; the result of the task."""
        files = [entry for _store, wanted in stores for entry in wanted]
        reason = ledger.reason_to_add(record, last)
        if reason is None and files:
            reason = "there are new usage logs"
        path = last.file if last else None
        if not self._task.check_mode:
            if reason:
                path = ledger.add(record, last)
            for store, _wanted in stores:
                store.save()
        result: dict[str, t.Any] = {
            "changed": reason is not None,
            "reason": reason,
            "record": path,
            "files": len(files),
            "bytes": sum(size for _path, size in files),
            "services": {service["name"]: _gather.outcome(service) for service in record.get("services", [])},
        }
        result["msg"] = f"Gathered {record['host']}: {reason}." if reason else f"Gathered {record['host']}: nothing new."
        if self._task.diff:
            before = last.record if last else None
            result["diff"] = {"before": _gather.brief(before), "after": _gather.brief(record if reason else before)}
        return result
