# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import json
import os
import stat

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _download_run, _license
from ansible_collections.airgap.cognitive.plugins.module_utils._download_request import Request
from ansible_collections.airgap.cognitive.plugins.module_utils._engine import EngineImage
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._family import Catalogue
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.license_fakes import IMAGE, KEY, TODAY, FakeEngine, writes

WITH_MODELS = {
    "sentiment": {
        "models": "/usr/local/models",
        "downloads": [{"kind": "models", "options": {"DownloadModel": "True"}}, {"kind": "license", "options": {"DownloadLicense": "True"}}],
    }
}


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(_download_run, "_POLL", 0.01)
    # Giving a directory away needs root.
    monkeypatch.setattr(_license.os, "chown", lambda path, user, group: None)


def request_of(tmp_path, families=None, **more):
    options = {
        "tag": "3.0-en",
        "image": "sentiment:3.0-en",
        "endpoint": "https://resource.example",
        "api_key": KEY,
        "path": str(tmp_path / "sentiment" / "3.0-en"),
        "models_path": None,
        "network": "net",
        "environment": {"HTTPS_PROXY": "http://proxy"},
        "renew_before": 30,
        "ends": None,
        "timeout": 5,
        "settle": 0.1,
        **more,
    }
    return Request(family=Catalogue(families).get("sentiment"), **options)


def tree_of(tmp_path):
    return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))


def test_container_that_ends(tmp_path):
    engine = FakeEngine([writes("license.dat"), 0])
    request = request_of(tmp_path)
    _license.download(engine, request, IMAGE)
    assert tree_of(tmp_path) == ["sentiment", "sentiment/3.0-en", "sentiment/3.0-en.json", "sentiment/3.0-en/license.dat"]
    record = json.loads((tmp_path / "sentiment" / "3.0-en.json").read_text())
    assert {key: record[key] for key in ("family", "tag", "image", "image_id", "diff_ids", "repo_digests", "ends")} == {
        "family": "sentiment",
        "tag": "3.0-en",
        "image": "sentiment:3.0-en",
        "image_id": "sha256:1",
        "diff_ids": ["sha256:2"],
        "repo_digests": ["x@sha256:9"],
        "ends": None,
    }
    assert record["files"]["license.dat"]["size"] == len("secret bytes")
    assert engine.removed == ["c1"]
    assert stat.S_IMODE((tmp_path / "sentiment" / "3.0-en").stat().st_mode) == 0o750


def test_key_goes_into_the_environment_alone(tmp_path):
    engine = FakeEngine([writes("license.dat"), 0])
    request = request_of(tmp_path)
    _license.download(engine, request, IMAGE)
    (made,) = engine.made
    assert made["command"] == ["eula=accept", "Mounts:License=/license", "DownloadLicense=True"]
    assert made["environment"] == {"HTTPS_PROXY": "http://proxy", "Billing": "https://resource.example", "ApiKey": KEY}
    assert made["mounts"] == {"/license": request.path + ".part"}
    assert made["labels"] == {"airgap.cognitive.download": request.path}
    assert KEY not in repr(request) + json.dumps(made["labels"])
    assert KEY not in "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())


def test_family_that_takes_environment_only(tmp_path):
    engine = FakeEngine([writes("license.dat"), 0])
    _license.download(engine, request_of(tmp_path, {"sentiment": {"style": "environment"}}), IMAGE)
    assert engine.made[0]["command"] is None
    assert engine.made[0]["environment"]["DownloadLicense"] == "True"


def test_container_that_stays_up(tmp_path):
    engine = FakeEngine(["runs", writes("a", "1"), writes("b/c", "2"), "runs"])
    _license.download(engine, request_of(tmp_path), IMAGE)
    assert set(_license.files_of(str(tmp_path / "sentiment" / "3.0-en"))) == {"a", "b/c"}
    assert engine.removed == ["c1"]


def test_directory_that_still_grows_is_waited_for(tmp_path):
    grows = [writes("a", "x" * size) for size in range(1, 60)]
    engine = FakeEngine([*grows, "runs"])
    _license.download(engine, request_of(tmp_path, settle=0.3), IMAGE)
    assert _license.files_of(str(tmp_path / "sentiment" / "3.0-en"))["a"]["size"] == 59


def test_models_come_first_and_are_there_for_the_license(tmp_path):
    engine = FakeEngine([writes("m/x", target="/usr/local/models"), 0], [writes("license.dat"), 0])
    request = request_of(tmp_path, WITH_MODELS, models_path=str(tmp_path / "models" / "3.0-en"))
    _license.download(engine, request, IMAGE)
    assert [made["command"][-1] for made in engine.made] == ["DownloadModel=True", "DownloadLicense=True"]
    assert engine.made[1]["mounts"] == {"/license": request.path + ".part", "/usr/local/models": request.models_path + ".part"}
    assert (tmp_path / "models" / "3.0-en" / "m" / "x").exists()
    assert _license.reason_to_download(request, IMAGE, False, TODAY) is None
    (tmp_path / "models" / "3.0-en" / "m" / "y").write_text("more")
    assert _license.reason_to_download(request, IMAGE, False, TODAY) == "its models are not those that were downloaded"


@pytest.mark.parametrize(
    ("steps", "says", "sentence"),
    [
        (
            [1],
            "Endpoint connection failed with status 'Invalid'.",
            "the key or the endpoint is wrong (endpoint https://resource.example); see Keys and Endpoint",
        ),
        ([0], "Eula must be accepted", "the license terms were not accepted"),
        ([0], "all is well", "the container ended with status 0 and it left nothing; read what the container said: all is well"),
        ([writes("a"), 1], "oops", "the container ended with status 1 and what it left is not to be trusted"),
        ([writes("a", ""), 0], "", "the container ended with status 0 and what it left is not to be trusted; read what the container said: nothing"),
        ([writes("a"), 0], "status 'Mismatch'", "the key belongs to a resource of another kind"),
        (["runs"], "status 'OutOfQuota'", "the resource is out of quota"),
        (["runs"], "loading", "nothing whole was there after 0.5 s; read what the container said: loading"),
        ([132], "", "the CPU lacks an instruction set that it needs"),
        ([None], "", "somebody removed the container that downloads it; run it again."),
        ([1], f"\nkey {KEY} is bad\n\n", "read what the container said: key *** is bad"),
    ],
)
def test_each_failure_is_a_sentence_and_leaves_nothing(tmp_path, steps, says, sentence):
    engine = FakeEngine(steps)
    engine.says = says
    with pytest.raises(CognitiveError) as refused:
        _license.download(engine, request_of(tmp_path, timeout=0.5), IMAGE)
    assert str(refused.value).startswith("License of sentiment 3.0-en: ")
    assert sentence in str(refused.value)
    assert KEY not in str(refused.value)
    assert tree_of(tmp_path) == ["sentiment"]
    assert engine.removed == ["c1"]


def test_a_container_that_tries_again_is_waited_for(tmp_path):
    engine = FakeEngine(["runs"] * 30 + [writes("a"), 0])
    tries = iter(range(1000))
    engine.logs = lambda *args, **more: f"Failed to reach endpoint. Trying {next(tries)} more times.".encode() if engine.steps[0] != 0 else b""
    _license.download(engine, request_of(tmp_path, settle=0.05), IMAGE)
    assert (tmp_path / "sentiment" / "3.0-en" / "a").exists()


def test_a_failed_renewal_keeps_the_license_that_was_there(tmp_path):
    request = request_of(tmp_path)
    _license.download(FakeEngine([writes("license.dat"), 0]), request, IMAGE)
    before = tree_of(tmp_path)
    with pytest.raises(CognitiveError):
        _license.download(FakeEngine([writes("license.dat", "other", then=1)]), request, IMAGE)
    assert tree_of(tmp_path) == before
    assert _license.reason_to_download(request, IMAGE, False, TODAY) is None


def test_renewal_replaces_all_files(tmp_path):
    request = request_of(tmp_path)
    _license.download(FakeEngine([writes("one"), 0]), request, IMAGE)
    _license.download(FakeEngine([writes("two"), 0]), request, IMAGE)
    assert [path for path in tree_of(tmp_path) if path.startswith("sentiment/3.0-en/")] == ["sentiment/3.0-en/two"]


def test_what_a_killed_run_left_goes_first(tmp_path):
    request = request_of(tmp_path)
    os.makedirs(request.path + ".part")
    (tmp_path / "sentiment" / "3.0-en.part" / "old").write_text("half")
    engine = FakeEngine([writes("license.dat"), 0])
    engine.left = ["left"]
    _license.download(engine, request, IMAGE)
    assert engine.removed == ["left", "c1"]
    assert tree_of(tmp_path) == ["sentiment", "sentiment/3.0-en", "sentiment/3.0-en.json", "sentiment/3.0-en/license.dat"]


def test_two_downloads_to_one_place(tmp_path):
    request = request_of(tmp_path)

    def second(mounts):
        with pytest.raises(CognitiveError, match=r"^License of sentiment 3.0-en: another download to .*sentiment is at work; wait until it is done\.$"):
            _license.download(FakeEngine([0]), request, IMAGE)
        return writes("license.dat")(mounts)

    _license.download(FakeEngine([second, 0]), request, IMAGE)
    assert (tmp_path / "sentiment" / "3.0-en" / "license.dat").exists()


def test_directory_that_cannot_be_written(tmp_path):
    (tmp_path / "sentiment").write_text("a file")
    with pytest.raises(CognitiveError, match=r"^License of sentiment 3.0-en: .*/sentiment: File exists; see that this user may write there"):
        _license.download(FakeEngine([0]), request_of(tmp_path), IMAGE)


def test_a_user_who_may_not_give_directories_away(tmp_path, monkeypatch):
    def refuse(path, user, group):
        raise PermissionError(1, "Operation not permitted", path)

    monkeypatch.setattr(_license.os, "chown", refuse)
    with pytest.raises(CognitiveError, match=r"Operation not permitted; see that this user may write there, and give directories to user 65532 \(become\)\.$"):
        _license.download(FakeEngine([0]), request_of(tmp_path), IMAGE)
    assert tree_of(tmp_path) == ["sentiment"]


@pytest.fixture
def taken(tmp_path):
    request = request_of(tmp_path)
    _license.download(FakeEngine([writes("license.dat"), 0]), request, IMAGE)
    return tmp_path


def reason(tmp_path, force=False, image=IMAGE, today=TODAY, **more):
    return _license.reason_to_download(request_of(tmp_path, **more), image, force, today)


def test_nothing_to_do(taken):
    assert reason(taken) is None


def test_reasons(taken):
    assert reason(taken, force=True) == "it is to be taken again"
    assert reason(taken, image=EngineImage(**{**IMAGE.__dict__, "id": "sha256:5"})) == "it was taken with another image"
    assert reason(taken, image=EngineImage(**{**IMAGE.__dict__, "diff_ids": ("sha256:5",)})) == "it was taken with another image"


@pytest.mark.parametrize(("days", "due"), [(31, False), (30, True), (1, True), (-5, True)])
def test_near_its_end(taken, days, due):
    ends = (TODAY + datetime.timedelta(days=100)).isoformat()
    today = TODAY + datetime.timedelta(days=100 - days)
    assert reason(taken, ends=ends, today=today) == (f"it ends on {ends}" if due else None)


def test_taken_again_near_its_end_it_is_not_taken_every_day(taken):
    ends = (TODAY + datetime.timedelta(days=10)).isoformat()
    assert reason(taken, ends=ends) is None
    assert reason(taken, ends=ends, today=TODAY + datetime.timedelta(days=3)) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda root: (root / "3.0-en" / "license.dat").write_text("altered"),
        lambda root: (root / "3.0-en" / "license.dat").rename(root / "3.0-en" / "renamed.dat"),
        lambda root: (root / "3.0-en" / "more").write_text(""),
        lambda root: (root / "3.0-en" / "license.dat").unlink(),
    ],
)
def test_a_damaged_license(taken, damage):
    damage(taken / "sentiment")
    assert reason(taken) == "its files are not those that were downloaded"


@pytest.mark.parametrize("record", ["", "[]", "{", "null"])
def test_a_license_without_a_readable_record_is_none(taken, record):
    (taken / "sentiment" / "3.0-en.json").write_text(record)
    assert reason(taken) == "there is none"


def test_a_license_of_another_family(taken):
    path = taken / "sentiment" / "3.0-en.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "family": "keyphrase"}))
    assert reason(taken) == "it is of another family"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"endpoint": "resource.example"}, "the endpoint 'resource.example' is not an address; write it as https://NAME.cognitiveservices.azure.com."),
        ({"endpoint": ""}, "the endpoint '' is not an address; "),
        ({"api_key": ""}, "the key is empty or has blanks in it; see Keys and Endpoint of the Azure resource."),
        ({"api_key": "abc\n"}, "the key is empty or has blanks in it; "),
        ({"ends": "soon"}, "ends 'soon' is not a date; write it as 2027-03-31."),
        ({"renew_before": -1}, "renew_before, timeout and settle are days and seconds; "),
        ({"timeout": 0}, "renew_before, timeout and settle are days and seconds; "),
        ({"families": WITH_MODELS}, "the family needs models; say with models_path where they go."),
        (
            {"families": {"sentiment": {**WITH_MODELS["sentiment"], "models": ""}}, "models_path": "/x"},
            "the family downloads models but says not where they are mounted; add the field models to it.",
        ),
    ],
)
def test_what_can_never_work_is_refused_first(tmp_path, more, sentence):
    with pytest.raises(CognitiveError) as wrong:
        request_of(tmp_path, **more).check()
    assert str(wrong.value).startswith(f"License of sentiment 3.0-en: {sentence}")
    request_of(tmp_path).check()


def test_sweep(taken):
    request = request_of(taken)
    engine = FakeEngine()
    engine.left = ["left"]
    os.makedirs(request.path + ".part")
    assert len(_license.leftovers(engine, request)) == 1
    _license.sweep(engine, request)
    assert engine.removed == ["left"]
    assert not os.path.exists(request.path + ".part")
