# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The controller's half of a push: send the blobs that a host lacks, over the connection that there is.

A blob goes in blocks, each through the standard input of a command that writes it to its place in a
file of the spool: one copy, as the user that the task becomes, and never more than a block in memory.
Small blobs go many at a time, because each command costs a round trip. A connection that cannot feed
a command gets each blob as a file, and the command takes it from there.
"""

from __future__ import annotations

import base64
import os
import tarfile
import time
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import INCOMING, file_digest
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size
from ansible_collections.airgap.cognitive.plugins.plugin_utils._receipt import settle_request

# What a break costs at most, and what one process holds in memory.
BLOCK = 32 << 20
# Blobs up to this size go together, up to this size in all; they are in memory twice.
BATCH = BLOCK // 2

# The unit in which a command finds its place in a file.
_UNIT = 1 << 20
_SECONDS_BETWEEN_NEWS = 5.0
# A blob that arrives altered is sent once more, and an image whose difference did not take once whole.
_ROUNDS = 4


class HostRefuses(Exception):
    """The host's half failed; its result is the task's result."""

    def __init__(self, result: dict[str, t.Any]) -> None:
        super().__init__(result.get("msg"))
        self.result = result


class PushAction(ActionBase):
    """What the actions that push have in common: they call their module, and send blobs in between."""

    _supports_check_mode = True
    _supports_diff = True
    # What this pushes, for the name of a request, and the directory for requests, if any.
    _what = ""
    _requests: str | None = None

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Push, and leave with one sentence where that is not possible."""
        result = super().run(tmp, task_vars)
        self._host = str((task_vars or {}).get("inventory_hostname", ""))
        try:
            result.update(self._push(task_vars or {}))
        except CognitiveError as error:
            result.update(failed=True, msg=str(error), **error.details)
        except HostRefuses as refusal:
            result.update(refusal.result)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _push(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        raise NotImplementedError

    def _on_host(self, module: str, args: dict[str, t.Any], step: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """One call of the host's half."""
        answer = self._execute_module(module_name=module, module_args={**args, "_step": step}, task_vars=task_vars)
        if answer.get("failed") or answer.get("unreachable"):
            raise HostRefuses(answer)
        return answer

    def _send_and_finish(
        self, bundle: Bundle, spool: str, plan: dict[str, t.Any], finish: t.Callable[[dict[str, t.Any]], dict[str, t.Any]]
    ) -> tuple[int, list[dict[str, t.Any]]]:
        """Send what lacks and let the host finish with it, until nothing lacks; the bytes sent, and each answer."""
        sent = 0
        answers = []
        answer = plan
        for _round in range(_ROUNDS + len(plan.get("images", ()))):
            sent += self._send(bundle, spool, answer["lacking"], answer["begun"])
            answer = finish(answer)
            answers.append(answer)
            if not answer["lacking"]:
                return sent, answers
        for digest in sorted(answer["lacking"]):
            if file_digest(bundle.blob_path(digest)) != digest:
                raise CognitiveError(f"Blob {digest} of {bundle.path} was altered; get the bundle again from where it was made.")
        raise CognitiveError(f"{self._host}: {len(answer['lacking'])} blobs do not arrive as they were sent; look at the disk and the connection of this host.")

    def _settle(self, bundle: Bundle, lacking: t.Mapping[str, int]) -> None:
        """Stop before anything is sent where the bundle lacks what the host lacks."""
        settle_request(bundle, self._host, self._what, lacking, self._requests, self._task.check_mode)

    def _send(self, bundle: Bundle, spool: str, lacking: t.Mapping[str, int], begun: t.Mapping[str, int]) -> int:
        """Send the blobs C(lacking) (size by digest), of which the host has C(begun) bytes; the bytes that were sent."""
        self._settle(bundle, lacking)
        for digest, size in lacking.items():
            if os.path.getsize(bundle.blob_path(digest)) != size:
                raise CognitiveError(f"Blob {digest} of {bundle.path} was cut short or altered; get the bundle again from where it was made.")
        # What is there of a blob counts in whole units; a blob that is there to its end is for the host to judge.
        start = {digest: size if begun.get(digest) == size else begun.get(digest, 0) // _UNIT * _UNIT for digest, size in lacking.items()}
        todo = {digest: size for digest, size in sorted(lacking.items(), key=lambda item: item[1]) if digest not in begun or start[digest] < size}
        progress = _Progress(self._host, sum(todo.values()) - sum(start[digest] for digest in todo))
        incoming = f"{spool}/{INCOMING}"
        if not self._feeds_commands():
            for digest in todo:
                self._send_file(bundle.blob_path(digest), incoming, progress)
            return progress.done
        small = [digest for digest, size in todo.items() if size <= BATCH and not start[digest]]
        for batch in _batches(small, todo):
            self._send_batch([bundle.blob_path(digest) for digest in batch], incoming, progress)
        for digest in todo:
            if digest not in small:
                self._send_blocks(bundle.blob_path(digest), incoming, start[digest], progress)
        return progress.done

    def _send_batch(self, sources: list[str], incoming: str, progress: _Progress) -> None:
        parts = []
        for source in sources:
            with open(source, "rb") as stream:
                content = stream.read()
            head = tarfile.TarInfo(os.path.basename(source))
            head.size, head.mode = len(content), 0o600
            parts += [head.tobuf(tarfile.GNU_FORMAT), content, bytes(-len(content) % tarfile.BLOCKSIZE)]
        archive = b"".join([*parts, bytes(2 * tarfile.BLOCKSIZE)])
        size = sum(len(part) for part in parts[1::3])
        parts.clear()
        self._command(incoming, f"tar -xof - -C {self._quote(incoming)}", archive)
        progress.add(size)

    def _send_blocks(self, source: str, incoming: str, start: int, progress: _Progress) -> None:
        target = self._quote(f"{incoming}/{os.path.basename(source)}")
        with open(source, "rb") as stream:
            stream.seek(start)
            place = start // _UNIT
            while block := stream.read(BLOCK):
                # At its place rather than at the end: a connection may run a command a second time.
                self._command(incoming, f"dd of={target} bs={_UNIT} seek={place} conv=notrunc", block)
                place += len(block) // _UNIT
                progress.add(len(block))
                # Or two of them would be in memory while the next one is read.
                del block

    def _send_file(self, source: str, incoming: str, progress: _Progress) -> None:
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        directory = str(self._connection._shell.tmpdir)
        name = os.path.basename(source)
        copy = self._transfer_file(source, self._connection._shell.join_path(directory, name))
        self._fixup_perms2([directory, copy], execute=False)
        self._command(incoming, f"dd if={self._quote(copy)} of={self._quote(f'{incoming}/{name}')} bs={_UNIT}", None)
        self._low_level_execute_command(self._connection._shell.remove(copy), sudoable=False)
        progress.add(os.path.getsize(source))

    def _command(self, incoming: str, command: str, block: bytes | None) -> None:
        directory, spool = self._quote(incoming), self._quote(os.path.dirname(incoming))
        # Only the user who pushes looks into the spool; the directories above it are for all.
        prepare = f"umask 022; mkdir -p {spool} && chmod 700 {spool} && umask 077 && mkdir -p {directory} && "
        try:
            answer = self._low_level_execute_command(prepare + command, in_data=block, sudoable=True)
        except AnsibleError as error:
            raise CognitiveError(f"{self._host}: the connection broke while a blob was sent ({error}); run again, what arrived is kept.") from error
        if answer["rc"]:
            # The last line that is not the count of dd says what was wrong.
            lines = [line for line in (answer["stderr"] or answer["stdout"]).splitlines() if line.strip() and "records" not in line and " copied" not in line]
            raise CognitiveError(
                f"{self._host}: a blob cannot be written to the spool ({(lines or ['no reason given'])[-1]}); put that right and run again, what arrived is kept."
            )

    def _feeds_commands(self) -> bool:
        """Whether a command can read what is sent to it: as for pipelining, whose setting may be off."""
        connection = self._connection
        wants_tty = getattr(connection, "_is_tty_requested", None)
        return bool(connection.has_pipelining and (not connection.become or connection.become.pipelining) and not (wants_tty and wants_tty()))

    def _quote(self, text: str) -> str:
        return str(self._connection._shell.quote(text))


class _Progress:
    """Tells now and then how far a long transfer is."""

    def __init__(self, host: str, total: int) -> None:
        self._host = host
        self._total = total
        self._began = self._told = time.monotonic()
        self.done = 0

    def add(self, count: int) -> None:
        """So many bytes more were sent."""
        self.done += count
        now = time.monotonic()
        if now - self._told >= _SECONDS_BETWEEN_NEWS:
            self._told = now
            pace = format_size(int(self.done / (now - self._began)))
            Display().display(f"{self._host}: {format_size(self.done)} of {format_size(self._total)} sent, {pace}/s")


def _batches(digests: t.Sequence[str], sizes: t.Mapping[str, int]) -> t.Iterator[list[str]]:
    """C(digests) in groups that fit into one command."""
    batch: list[str] = []
    for digest in digests:
        if batch and sum(sizes[other] for other in batch) + sizes[digest] > BATCH:
            yield batch
            batch = []
        batch.append(digest)
    if batch:
        yield batch


def documents(bundle: Bundle, digests: t.Iterable[str]) -> dict[str, str]:
    """The content of small blobs, base64 by digest, to go with a call."""
    found = {}
    for digest in digests:
        with open(bundle.blob_path(digest), "rb") as stream:
            found[digest] = base64.b64encode(stream.read()).decode("ascii")
    return found
