# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connected runs of the families that differ, each in its order and with its own options."""

from __future__ import annotations

import json
import os

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _download_run, _license
from ansible_collections.airgap.cognitive.plugins.module_utils._download_request import Request, read_settings
from ansible_collections.airgap.cognitive.plugins.module_utils._download_run import capture
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._family import Catalogue
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.license_fakes import IMAGE, KEY, TODAY, FakeEngine, writes

MODEL = "b8a3e1c2-0d4f-4e6a-9b1c-2f3d4e5a6b7c"
APP = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
OTHER_KEY = "fedcba9876543210fedcba9876543210"
LANGUAGES = {"languages": ["en", "fr"]}


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(_download_run, "_POLL", 0.01)
    # Giving a directory away needs root.
    monkeypatch.setattr(_license.os, "chown", lambda path, user, group: None)


def request_of(tmp_path, name, tag, settings=None, **more):
    family = Catalogue(more.pop("families", None)).get(name)
    options = {
        "image": f"{name}:{tag}",
        "endpoint": "https://resource.example",
        "api_key": KEY,
        "path": str(tmp_path / "licenses" / name / "x"),
        "models_path": str(tmp_path / "models" / name / "x"),
        "network": None,
        "environment": {},
        "renew_before": 30,
        "ends": None,
        "timeout": 5,
        "settle": 0.1,
        **more,
    }
    return Request(family=family, tag=tag, settings=read_settings(family, tag, settings or {}), **options)


def take(request, *runs, says=""):
    engine = FakeEngine(*runs)
    engine.says = says
    os.makedirs(os.path.dirname(request.models_path), exist_ok=True)
    request.check()
    _license.download(engine, request, IMAGE)
    return engine


def test_custom_speech_takes_model_and_license_by_two_resources(tmp_path):
    request = request_of(
        tmp_path,
        "custom-speech-to-text",
        "4.12.0-amd64",
        {"model_id": MODEL, "display": ["Punct", "Rescore"]},
        model_endpoint="https://speech.example",
        model_api_key=OTHER_KEY,
    )
    first, second = take(request, [writes("model", target="/usr/local/models"), 0], [writes("license.dat"), 0]).made
    assert first["command"] == ["eula=accept", "Mounts:License=/license", f"ModelId={MODEL}", "Punct", "Rescore"]
    assert (first["environment"]["Billing"], first["environment"]["ApiKey"]) == ("https://speech.example", OTHER_KEY)
    assert second["command"] == ["eula=accept", "Mounts:License=/license", "DownloadLicense=True"]
    assert (second["environment"]["Billing"], second["environment"]["ApiKey"]) == ("https://resource.example", KEY)
    assert second["mounts"]["/usr/local/models"] == request.models_path + ".part"
    assert OTHER_KEY not in repr(request)


def test_custom_speech_without_its_second_resource(tmp_path):
    request = request_of(tmp_path, "custom-speech-to-text", "4.12.0-amd64", {"model_id": MODEL})
    with pytest.raises(CognitiveError, match=r"add cognitive_resources\.custom-speech-to-text\.model with the endpoint and api_key of it\.$"):
        request.check()
    request = request_of(tmp_path, "custom-speech-to-text", "4.12.0-amd64", {"model_id": MODEL}, model_endpoint="speech", model_api_key=KEY)
    with pytest.raises(CognitiveError, match="the endpoint of the model 'speech' is not an address"):
        request.check()


def test_error_of_the_second_resource_names_it_and_hides_its_key(tmp_path):
    request = request_of(tmp_path, "custom-speech-to-text", "latest", {"model_id": MODEL}, model_endpoint="https://speech.example", model_api_key=OTHER_KEY)
    with pytest.raises(CognitiveError) as refused:
        take(request, [1], says=f"status 'Mismatch' {OTHER_KEY}")
    assert "(endpoint https://speech.example)" in str(refused.value)
    assert OTHER_KEY not in str(refused.value)


def test_summarization_takes_its_license_after_its_models(tmp_path):
    request = request_of(tmp_path, "summarization", "cpu", {"kind": "AbstractiveSummarization"})
    first, second = take(request, [writes("m", target="/models"), 0], [writes("license.dat"), 0]).made
    assert first["command"] == ["eula=accept", "Mounts:License=/license", "rai_terms=accept", "downloadModels=AbstractiveSummarization"]
    assert second["command"] == ["eula=accept", "Mounts:License=/license", "rai_terms=accept", "DownloadLicense=True"]
    # Other models, and be it by hand, make both old.
    assert _license.reason_to_download(request, IMAGE, False, TODAY) is None
    with open(os.path.join(request.models_path, "more"), "w", encoding="utf-8") as stream:
        stream.write("x")
    assert _license.reason_to_download(request, IMAGE, False, TODAY) == "its models are not those that were downloaded"


@pytest.mark.parametrize(("runtimes", "gpu"), [({"nvidia": {}}, True), ({}, False)])
def test_download_gets_the_gpu_where_there_is_one(tmp_path, runtimes, gpu):
    engine = FakeEngine([writes("m", target="/models"), 0], [writes("license.dat"), 0])
    engine.info = {"Runtimes": runtimes}
    request = request_of(tmp_path, "summarization", "gpu", {"kind": "ExtractiveSummarization"})
    os.makedirs(os.path.dirname(request.models_path))
    _license.download(engine, request, IMAGE)
    assert [made["gpu"] for made in engine.made] == [gpu, gpu]


def test_clu_downloads_its_package_by_a_bare_word(tmp_path):
    request = request_of(tmp_path, "clu", "1.0", {"project": "Mail", "exported_model": "Mail1"})
    first, second = take(request, [writes("Odd Name.zip", target="/DeploymentPackage"), 0], [writes("license.dat"), 0]).made
    assert first["command"] == ["eula=accept", "Mounts:License=/license", "projectName=Mail", "exportedModelName=Mail1", "downloadmodel"]
    assert second["mounts"]["/DeploymentPackage"] == request.models_path + ".part"
    assert os.listdir(request.models_path) == ["Odd Name.zip"]


def test_other_settings_are_another_download(tmp_path):
    settings = {"project": "Mail", "exported_model": "Mail1"}
    take(request_of(tmp_path, "clu", "1.0", settings), [writes("p", target="/DeploymentPackage"), 0], [writes("license.dat"), 0])
    assert _license.reason_to_download(request_of(tmp_path, "clu", "1.0", settings), IMAGE, False, TODAY) is None
    other = request_of(tmp_path, "clu", "1.0", {**settings, "exported_model": "Mail2"})
    assert _license.reason_to_download(other, IMAGE, False, TODAY) == "it was taken with other settings"


def test_luis_app_is_brought_by_hand_under_its_name(tmp_path):
    source = tmp_path / "apps"
    source.mkdir()
    request = request_of(tmp_path, "luis", "latest", {"app_id": APP, "slot": "production"}, models_source=str(source))
    with pytest.raises(CognitiveError, match=rf"there is no file .*/{APP}_production\.gz; put it there under just this name, as it was exported\.$"):
        request.check()
    (source / f"{APP}_production.gz").write_bytes(b"app")
    (source / f"{APP}_staging.gz").write_bytes(b"another")
    (made,) = take(request, [writes("license.dat"), 0]).made
    assert made["command"] == ["eula=accept", "Mounts:License=/license", "Mounts:Input=/input", "DownloadLicense=True"]
    assert os.listdir(request.models_path) == [f"{APP}_production.gz"]
    assert _license.reason_to_download(request, IMAGE, False, TODAY) is None
    (source / f"{APP}_production.gz").write_bytes(b"new")
    assert _license.reason_to_download(request, IMAGE, False, TODAY) == f"{source}/{APP}_production.gz is another one now"


def test_luis_without_a_directory(tmp_path):
    with pytest.raises(CognitiveError, match=r"add cognitive_resources\.luis\.models_dir with the directory that they are in\.$"):
        request_of(tmp_path, "luis", "latest", {"app_id": APP, "slot": "staging"}).check()


def translator(mounts):
    """What the start script leaves: models, and two new files."""
    models = mounts["/usr/local/models"]
    for name in ("enu_fra_generalnn_2023040200", "fra_enu_generalnn_2023040200"):
        os.makedirs(os.path.join(models, name))
        with open(os.path.join(models, name, "a.tgz.encrypted"), "w", encoding="utf-8") as stream:
            stream.write("x")
    os.makedirs(os.path.join(models, "Config"))
    for age, name in ((2, "0000-env"), (1, "1111-system")):
        path = os.path.join(models, "Config", name)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("x")
        os.utime(path, (1000 - age, 1000 - age))
    return writes("license.dat")(mounts)


RECONSTRUCTED = {
    "MODELS": "/usr/local/models/enu_fra_generalnn_2023040200/,/usr/local/models/fra_enu_generalnn_2023040200/",
    "TRANSLATORSYSTEMCONFIG": "/usr/local/models/Config/1111-system",
}
TEMPLATE = (
    "docker run --rm -it -p 5000:5000 -v {SRCMOUNT}:/usr/local/models -e MODELS=/usr/local/models/fra_enu_generalnn_2023040200/, "
    "-e TRANSLATORSYSTEMCONFIG=/usr/local/models/Config/0000-env -e Mounts:Output={OUT} mcr.example/x"
)


def test_translator_takes_both_in_one_run_and_environment_only(tmp_path):
    request = request_of(tmp_path, "text-translation", "latest", LANGUAGES)
    (made,) = take(request, [translator, "runs"], says="Application started").made
    assert made["command"] is None
    assert made["environment"] == {
        "eula": "accept",
        "Mounts:License": "/license",
        "DownloadLicense": "true",
        "Languages": "en,fr",
        "Billing": "https://resource.example",
        "ApiKey": KEY,
    }
    assert json.loads(open(request.record_path, encoding="utf-8").read())["environment"] == RECONSTRUCTED


def test_translator_says_what_it_is_to_run_with(tmp_path):
    request = request_of(tmp_path, "text-translation", "latest", LANGUAGES)
    take(request, [translator, "runs"], says=TEMPLATE)
    assert _license.read_record(request)["environment"] == {
        "MODELS": "/usr/local/models/fra_enu_generalnn_2023040200/,",
        "TRANSLATORSYSTEMCONFIG": "/usr/local/models/Config/0000-env",
    }


@pytest.mark.parametrize("said", ["-e MODELS=/usr/local/models/enu_fr", "-e MODELS=/etc/", "-e MODELS=,", "-e XMODELS=/usr/local/models/Config"])
def test_what_cannot_be_is_not_believed(tmp_path, said):
    request = request_of(tmp_path, "text-translation", "latest", LANGUAGES)
    take(request, [translator, "runs"], says=said)
    assert _license.read_record(request)["environment"] == RECONSTRUCTED


def test_models_that_show_nothing(tmp_path):
    with pytest.raises(CognitiveError, match="the download told no MODELS, and its models do not show it; take it again with force: true"):
        capture(request_of(tmp_path, "text-translation", "latest", LANGUAGES), "", str(tmp_path))


@pytest.mark.parametrize(
    ("steps", "says", "sentence"),
    [
        ([0], "Missing parameter Languages", "the languages are missing (endpoint https://resource.example); name them, en among them."),
        ([writes("license.dat"), 0], "done", "the container ended with status 0 and what it left is not to be trusted"),
        ([1], "[ERROR] Failed to download: context deadline exceeded", "the download of the models took more than the hour that it is allowed"),
        ([1], '[Fatal] {"innererror":{"code":"UnsupportedFeature"}}', "the resource may not be used for this container"),
        ([2], "sh: can't open 'eula=accept': No such file or directory", "its own command was replaced by options"),
    ],
)
def test_translator_that_fails(tmp_path, steps, says, sentence):
    request = request_of(tmp_path, "text-translation", "latest", LANGUAGES)
    with pytest.raises(CognitiveError) as failed:
        take(request, steps, says=says)
    assert sentence in str(failed.value)
    assert not os.path.exists(request.path) and not os.path.exists(request.models_path)


def test_half_of_both_is_waited_for(tmp_path):
    request = request_of(tmp_path, "text-translation", "latest", LANGUAGES, timeout=0.6)
    with pytest.raises(CognitiveError, match="nothing whole was there after 0.6 s"):
        take(request, [writes("license.dat"), "runs"])


@pytest.mark.parametrize(("name", "seconds"), [("sentiment", 900), ("text-translation", 4000)])
def test_models_have_more_time(tmp_path, name, seconds):
    request = request_of(tmp_path, name, "latest", LANGUAGES if name != "sentiment" else None, timeout=None)
    assert request.seconds(request.family.downloads[0]) == seconds


def test_settings_of_a_download_are_checked():
    with pytest.raises(CognitiveError, match=r"^License of clu 1\.0: setting project of family clu is missing; .*\nLicense of clu 1\.0: setting exported_model "):
        read_settings(Catalogue().get("clu"), "1.0", {})
