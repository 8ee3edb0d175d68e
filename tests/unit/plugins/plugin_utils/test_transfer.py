# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Blobs sent to a spool; the connection is this machine's shell."""

from __future__ import annotations

import hashlib
import os
import subprocess
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.shell.sh import ShellModule

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.plugin_utils import _transfer
from ansible_collections.airgap.cognitive.plugins.plugin_utils._transfer import PushAction

UNIT = 1 << 20


class Become:
    def __init__(self, pipelining):
        self.pipelining = pipelining


class Connection:
    def __init__(self, has_pipelining=True, become=None):
        self.has_pipelining = has_pipelining
        self.become = become
        self._shell = ShellModule()
        self._shell.tmpdir = None


class Bundle:
    """A directory of blobs."""

    def __init__(self, path):
        self.path = str(path)
        self.catalogue = {}

    def blob_path(self, digest):
        return os.path.join(self.path, digest[7:])

    def add(self, content):
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        with open(self.blob_path(digest), "wb") as stream:
            stream.write(content)
        return digest


class Action(PushAction):
    """Runs commands here; C(broken) is the number of the command at which the connection breaks."""

    def __init__(self, tmp, connection=None):
        self._connection = connection or Connection()
        self._host = "edge"
        self._task = SimpleNamespace(check_mode=False)
        self._tmp = tmp
        self.commands = []
        self.broken = None

    def _low_level_execute_command(self, cmd, sudoable=True, in_data=None, **_more):
        self.commands.append(cmd)
        if len(self.commands) == self.broken:
            raise AnsibleConnectionFailure("cut")
        done = subprocess.run(["sh", "-c", cmd], input=in_data or b"", capture_output=True)
        return {"rc": done.returncode, "stdout": done.stdout.decode(), "stderr": done.stderr.decode()}

    def _make_tmp_path(self, remote_user=None):
        self._connection._shell.tmpdir = str(self._tmp)
        return str(self._tmp)

    def _transfer_file(self, local_path, remote_path):
        subprocess.run(["cp", local_path, remote_path], check=True)
        return remote_path

    def _fixup_perms2(self, remote_paths, remote_user=None, execute=True):
        return remote_paths


@pytest.fixture
def bundle(tmp_path):
    (tmp_path / "bundle").mkdir()
    return Bundle(tmp_path / "bundle")


@pytest.fixture
def spool(tmp_path):
    return str(tmp_path / "root of services" / "spool")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(_transfer, "BLOCK", 2 * UNIT)
    monkeypatch.setattr(_transfer, "BATCH", UNIT)


def arrived(spool, digest):
    with open(os.path.join(spool, "incoming", digest[7:]), "rb") as stream:
        return stream.read()


def sizes(bundle, *digests):
    return {digest: os.path.getsize(bundle.blob_path(digest)) for digest in digests}


@pytest.mark.parametrize("connection", [Connection(), Connection(has_pipelining=False), Connection(become=Become(False))])
def test_blobs_of_every_size_arrive(tmp_path, bundle, spool, connection):
    contents = [b"", b"a", os.urandom(UNIT), os.urandom(5 * UNIT + 7), os.urandom(4 * UNIT)]
    digests = [bundle.add(content) for content in contents]
    action = Action(tmp_path, connection)
    assert action._send(bundle, spool, sizes(bundle, *digests), {}) == sum(map(len, contents))
    assert [arrived(spool, digest) for digest in digests] == contents
    assert os.stat(spool).st_mode & 0o777 == 0o700
    assert os.stat(os.path.dirname(spool)).st_mode & 0o777 == 0o755
    # Nothing is left where the connection puts files.
    assert sorted(os.listdir(tmp_path)) == ["bundle", "root of services"]


def test_small_blobs_go_together(tmp_path, bundle, spool):
    digests = [bundle.add(bytes([number]) * 1000) for number in range(200)]
    action = Action(tmp_path)
    action._send(bundle, spool, sizes(bundle, *digests), {})
    assert len(action.commands) == 1


def test_a_push_goes_on_where_one_broke_off(tmp_path, bundle, spool):
    content = os.urandom(5 * UNIT + 7)
    digest = bundle.add(content)
    action = Action(tmp_path)
    action.broken = 3
    with pytest.raises(CognitiveError, match=r"edge: the connection broke while a blob was sent \(cut\); run again"):
        action._send(bundle, spool, sizes(bundle, digest), {})
    begun = {digest: len(arrived(spool, digest))}
    assert begun == {digest: 4 * UNIT}
    assert Action(tmp_path)._send(bundle, spool, sizes(bundle, digest), begun) == UNIT + 7
    assert arrived(spool, digest) == content


def test_a_part_that_ends_within_a_unit_is_sent_from_its_beginning(tmp_path, bundle, spool):
    content = os.urandom(3 * UNIT)
    digest = bundle.add(content)
    os.makedirs(os.path.join(spool, "incoming"))
    with open(os.path.join(spool, "incoming", digest[7:]), "wb") as stream:
        stream.write(content[: UNIT + 99])
    assert Action(tmp_path)._send(bundle, spool, sizes(bundle, digest), {digest: UNIT + 99}) == 2 * UNIT
    assert arrived(spool, digest) == content


@pytest.mark.parametrize("has_pipelining", [True, False])
def test_a_blob_that_arrived_whole_is_not_sent_again(tmp_path, bundle, spool, has_pipelining):
    digest = bundle.add(b"whole")
    action = Action(tmp_path, Connection(has_pipelining))
    assert action._send(bundle, spool, sizes(bundle, digest), {digest: 5}) == 0
    assert action.commands == []


def test_two_pushes_of_one_blob_do_not_harm_each_other(tmp_path, bundle, spool):
    content = os.urandom(6 * UNIT)
    digest = bundle.add(content)
    first, second = Action(tmp_path), Action(tmp_path)
    first.broken = 3
    with pytest.raises(CognitiveError):
        first._send(bundle, spool, sizes(bundle, digest), {})
    # The second began before the first broke, from nothing.
    second._send(bundle, spool, sizes(bundle, digest), {})
    assert arrived(spool, digest) == content


def test_a_push_cuts_nothing_off_that_another_is_ahead_with(tmp_path, bundle, spool):
    content = os.urandom(6 * UNIT)
    digest = bundle.add(content)
    Action(tmp_path)._send(bundle, spool, sizes(bundle, digest), {})
    late = Action(tmp_path)
    late.broken = 2
    with pytest.raises(CognitiveError):
        late._send(bundle, spool, sizes(bundle, digest), {})
    assert arrived(spool, digest) == content


@pytest.mark.parametrize(
    "harm, message",
    [
        (os.unlink, "edge lacks 1 blob .* that .* does not hold either, the first of them sha256:.* Get the bundle again"),
        (lambda path: os.truncate(path, 2), "was cut short or altered; get the bundle again"),
    ],
)
def test_a_bundle_that_was_harmed_is_named_before_anything_is_sent(tmp_path, bundle, spool, harm, message):
    good, bad = bundle.add(b"good"), bundle.add(b"bad one")
    wanted = sizes(bundle, good, bad)
    harm(bundle.blob_path(bad))
    action = Action(tmp_path)
    with pytest.raises(CognitiveError, match=message):
        action._send(bundle, spool, wanted, {})
    assert action.commands == []


def test_a_blob_that_was_altered_in_the_bundle_is_named(tmp_path, bundle, spool):
    digest = bundle.add(b"right")
    plan = {"lacking": sizes(bundle, digest), "begun": {}}
    with open(bundle.blob_path(digest), "wb") as stream:
        stream.write(b"wrong")
    with pytest.raises(CognitiveError, match=f"^Blob {digest} of .* was altered"):
        Action(tmp_path)._send_and_finish(bundle, spool, plan, lambda _answer: plan)


def test_a_connection_that_alters_what_it_carries_is_given_up(tmp_path, bundle, spool):
    digest = bundle.add(b"right")
    plan = {"lacking": sizes(bundle, digest), "begun": {}}
    with pytest.raises(CognitiveError, match="^edge: 1 blobs do not arrive as they were sent"):
        Action(tmp_path)._send_and_finish(bundle, spool, plan, lambda _answer: plan)


def test_a_spool_that_cannot_be_written_to_says_why(tmp_path, bundle):
    (tmp_path / "file").write_text("in the way")
    digest = bundle.add(b"x")
    with pytest.raises(CognitiveError, match=r"^edge: a blob cannot be written to the spool \(.*Not a directory") as caught:
        Action(tmp_path)._send(bundle, str(tmp_path / "file" / "spool"), sizes(bundle, digest), {})
    assert "\n" not in str(caught.value)


def test_a_disk_that_is_full_says_so(tmp_path, bundle, spool):
    digest = bundle.add(os.urandom(3 * UNIT))
    os.makedirs(os.path.join(spool, "incoming"))
    os.symlink("/dev/full", os.path.join(spool, "incoming", digest[7:]))
    with pytest.raises(CognitiveError, match="No space left on device"):
        Action(tmp_path)._send(bundle, spool, sizes(bundle, digest), {})
