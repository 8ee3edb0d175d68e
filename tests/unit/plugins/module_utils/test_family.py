# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._family import Catalogue
from ansible_collections.airgap.cognitive.plugins.module_utils._family_data import FAMILIES, REFUSED

GIB = 1024**3
NEW = {"repository": "example/echo", "cpus": {"minimum": 1, "recommended": 2}, "memory": {"minimum": "1g", "recommended": "2g"}}
LICENSE = {"kind": "license", "options": {"DownloadLicense": "True"}}
RULE = {"pattern": "[a-z]+", "rule": "letters", "example": "a"}


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_family_is_complete(name):
    family = Catalogue().get(name)
    assert family.repository.startswith("azure-cognitive-services/")
    assert family.tag_allowed(family.tag["example"])
    assert family.tag_allowed("latest") or name == "summarization"
    assert family.title and family.commitment
    for field in ("repository", "port", "tag", "cpus", "memory", "cpu_flags", "architecture", "query", "companions", "shared", "downloads"):
        assert len(family.source(field)) > 20
    assert family.query["path"].startswith("/")
    json.dumps(family.as_dict())
    base64.b64decode(family.query.get("body_base64", ""), validate=True)


@pytest.mark.parametrize(
    ("name", "repository", "port", "cpus", "memory"),
    [
        ("speech-to-text", "speechservices/speech-to-text", 5000, (4, 8), (8, 16)),
        ("neural-text-to-speech", "speechservices/neural-text-to-speech", 5000, (6, 8), (12, 16)),
        ("sentiment", "textanalytics/sentiment", 5000, (1, 4), (2, 8)),
        ("keyphrase", "textanalytics/keyphrase", 5000, (1, 1), (2, 4)),
        ("language-detection", "textanalytics/language", 5000, (1, 1), (5, 8)),
        ("vision-read", "vision/read", 5000, (4, 8), (8, 16)),
        ("di-layout", "form-recognizer/layout-3.1", 5000, (8, 8), (16, 24)),
        ("di-invoice", "form-recognizer/invoice-3.1", 5050, (8, 8), (16, 24)),
        ("di-custom-template", "form-recognizer/custom-template-3.1", 5000, (8, 8), (16, 24)),
        ("custom-speech-to-text", "speechservices/custom-speech-to-text", 5000, (4, 8), (8, 16)),
        ("ner", "textanalytics/ner", 5000, (1, 4), (2, 8)),
        ("pii", "textanalytics/pii", 5000, (1, 4), (2, 8)),
        ("summarization", "textanalytics/summarization", 5000, (16, 16), (48, 48)),
        ("clu", "language/clu", 5000, (1, 4), (2, 8)),
        ("luis", "language/luis", 5000, (1, 1), (2, 4)),
        ("text-translation", "translator/text-translation", 5000, (4, 4), (4, 12)),
        ("di-read", "form-recognizer/read-3.1", 5000, (8, 8), (10, 24)),
        ("di-receipt", "form-recognizer/receipt-3.1", 5050, (8, 8), (11, 24)),
        ("di-id-document", "form-recognizer/id-document-3.1", 5050, (8, 8), (8, 24)),
        ("di-businesscard", "form-recognizer/businesscard-3.0", 5050, (8, 8), (16, 24)),
        ("di-document", "form-recognizer/document-3.0", 5050, (8, 8), (12, 24)),
        ("cs-text", "contentsafety/text-analyze", 5000, (4, 4), (16, 16)),
        ("cs-image", "contentsafety/image-analyze", 5000, (4, 4), (16, 16)),
        ("cs-promptshields", "contentsafety/promptshields", 5000, (4, 4), (16, 16)),
    ],
)
def test_published_sizes(name, repository, port, cpus, memory):
    family = Catalogue().get(name)
    assert family.repository == f"azure-cognitive-services/{repository}"
    assert family.port == port
    assert (family.cpus["minimum"], family.cpus["recommended"]) == cpus
    assert (family.memory["minimum"], family.memory["recommended"]) == (memory[0] * GIB, memory[1] * GIB)


def test_size_depends_on_the_version_of_the_image():
    family = Catalogue().get("vision-read")
    cpus, memory = family.size("3.2-model-2021-04-12")
    assert (cpus.minimum, cpus.recommended) == (4, 8)
    assert (memory.minimum, memory.recommended) == (16 * GIB, 24 * GIB)
    assert family.size("3.2-model-2022-04-30")[1].minimum == 8 * GIB
    cpus, memory = Catalogue().get("summarization").size("gpu")
    assert (cpus.minimum, memory.minimum) == (2, 24 * GIB)


@pytest.mark.parametrize(
    ("name", "required", "recommended"),
    [("speech-to-text", ["avx2"], []), ("custom-speech-to-text", ["avx2"], []), ("vision-read", ["avx2"], []), ("sentiment", [], [])]
    + [(name, [], ["avx512f"]) for name in ("ner", "pii", "clu")],
)
def test_instruction_sets(name, required, recommended):
    assert Catalogue().get(name).cpu_flags == {"required": required, "recommended": recommended}


@pytest.mark.parametrize(
    ("name", "mount"),
    [
        ("custom-speech-to-text", "/usr/local/models"),
        ("text-translation", "/usr/local/models"),
        ("summarization", "/models"),
        ("clu", "/DeploymentPackage"),
        ("luis", "/input"),
        ("sentiment", ""),
    ],
)
def test_where_models_must_be(name, mount):
    assert Catalogue().get(name).models == mount


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("sentiment", ["3.0-en", "3.1-en", "3.0-zh-hans", "latest", "1.1.012840001-amd64"], ["3.0", "en", "3.0_en", "3.0-en ", ""]),
        ("language-detection", ["3.0", "1.1.013570001-amd64", "latest"], ["three", ""]),
        ("speech-to-text", ["4.12.0-amd64-en-us", "5.0.1-amd64-en-us-preview", "3.0.0-amd64-zh-cn-sichuan"], ["4.12.0-amd64", "4.12.0-amd64-EN-us", "4.12.0"]),
        # A locale of three parts cannot be told from a locale and a voice.
        ("neural-text-to-speech", ["3.11.0-amd64-en-us-arianeural"], ["3.11.0-amd64-en", "3.11.0-amd64-en-us-AriaNeural"]),
        ("vision-read", ["3.2", "3.2-model-2022-04-30", "3.2-preview.2", "2.0.013250001-amd64-preview"], ["model-2022-04-30"]),
        ("custom-speech-to-text", ["4.12.0-amd64", "latest"], ["4.12.0-amd64-en-us", "4.12.0"]),
        ("summarization", ["cpu", "gpu"], ["latest", "GPU", "cpu-1"]),
        ("text-translation", ["1.0.019410001-amd64", "latest"], ["1.0.019410001", "amd64"]),
        ("luis", ["1.1.010330004-amd64", "1.1.010330004-amd64-preview", "latest"], ["amd64", "x"]),
        ("cs-text", ["1.0.0-amd64-preview", "latest"], ["1.0.0-preview"]),
        ("di-invoice", ["2023-07-31", "2024-11-30", "2.1.0-20220502"], ["20241130-x!", "invoice"]),
    ],
)
def test_rules_for_tags(name, good, bad):
    family = Catalogue().get(name)
    assert [tag for tag in good if not family.tag_allowed(tag)] == []
    assert [tag for tag in bad if family.tag_allowed(tag)] == []


def test_image_with_and_without_a_registry():
    family = Catalogue().get("sentiment")
    assert family.image("3.0-en") == "azure-cognitive-services/textanalytics/sentiment:3.0-en"
    assert family.image("3.0-en", "registry.example:5000") == "registry.example:5000/azure-cognitive-services/textanalytics/sentiment:3.0-en"


def test_options_as_arguments_or_as_environment():
    options = {"eula": "accept", "Mounts:License": "/license"}
    assert Catalogue().get("sentiment").option_lists(options) == (["eula=accept", "Mounts:License=/license"], {})
    assert Catalogue({"sentiment": {"style": "environment"}}).get("sentiment").option_lists(options) == ([], options)


def test_unknown_family_names_the_nearest():
    with pytest.raises(CognitiveError, match=r"^family sentimnt is unknown; did you mean sentiment\?"):
        Catalogue().get("sentimnt")
    with pytest.raises(CognitiveError, match=r"^family zzz is unknown; the families are clu, .*, or add it below cognitive_families\.$"):
        Catalogue().get("zzz")


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_unlicensed_family_is_refused_with_the_reason(name):
    with pytest.raises(CognitiveError) as refused:
        Catalogue().get(name)
    assert str(refused.value) == f"family {name} cannot be deployed: {REFUSED[name]}; take it out."
    with pytest.raises(CognitiveError, match="cannot be added"):
        Catalogue({name: NEW})


def test_override_of_one_half_keeps_the_other():
    family = Catalogue({"sentiment": {"memory": {"recommended": "6g"}, "port": "5080"}}).get("sentiment")
    assert family.memory == {"minimum": 2 * GIB, "recommended": 6 * GIB}
    assert family.port == 5080
    assert family.tag["example"] == "3.0-en"


def test_a_family_of_the_inventory_has_the_common_defaults():
    family = Catalogue({"echo": NEW}).get("echo")
    assert (family.title, family.port, family.style, family.user, family.license, family.output) == ("echo", 5000, "arguments", 65532, "/license", "/output")
    assert family.downloads == [{"kind": "license", "options": {"DownloadLicense": "True"}}]
    assert family.source("cpus") == "the inventory"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ("yes", "family echo: 'yes' is not a dictionary; write its fields below its name."),
        ({"repository": "a/b"}, "family echo: the field cpus is missing; a new family needs repository, cpus and memory."),
        ({**NEW, "prot": 1}, "family echo: there is no field prot; did you mean port?"),
        ({**NEW, "port": 0}, "family echo: port: 0 is not a port; write a number from 1 to 65535."),
        ({**NEW, "port": True}, "family echo: port: True is not a port; write a number from 1 to 65535."),
        ({**NEW, "repository": "A:1"}, "family echo: repository: 'A:1' is not an image repository; write lower case names with slashes between, and no tag."),
        ({**NEW, "style": "args"}, "family echo: style: 'args' is not possible; choose arguments or environment."),
        ({**NEW, "cpus": {"minimum": 2}}, "family echo: cpus: {'minimum': 2} is not complete; write minimum and recommended, and nothing else."),
        (
            {**NEW, "cpus": {"minimum": 0, "recommended": 1}},
            "family echo: cpus.minimum: 0 is not a number of CPUs; write a number above 0, for example 4.",
        ),
        (
            {**NEW, "cpus": {"minimum": 3, "recommended": 1}},
            "family echo: cpus: the minimum 3 is above the recommended 1; change one of them.",
        ),
        (
            {**NEW, "memory": {"minimum": "1x", "recommended": "2g"}},
            "family echo: memory.minimum: '1x' is not a size; write a number with a unit, for example 512m or 8g.",
        ),
        (
            {**NEW, "license": "license"},
            "family echo: license: 'license' is not a directory in the container; write a path that begins with / and has no colon.",
        ),
        ({**NEW, "tag": {"pattern": "["}}, "family echo: tag.pattern: '[' is not a regular expression."),
        ({**NEW, "user": "nonroot"}, "family echo: user: 'nonroot' is not the number of a user."),
        ({**NEW, "options": []}, "family echo: options: [] is not a table of names and values."),
        ({**NEW, "ready_timeout": -1}, "family echo: ready_timeout: -1 is not a number; write a whole number above 0."),
        ({**NEW, "query": {"path": "/"}}, "family echo: query: {'path': '/'} is not a query; write at least method, path and status."),
        (
            {**NEW, "sizes": [{"memory": 1}]},
            "family echo: sizes: [{'memory': 1}] is not a list of sizes; each has tags (a regular expression) and cpus or memory.",
        ),
        (
            {**NEW, "downloads": [{"kind": "models", "options": {}}]},
            "family echo: downloads: [{'kind': 'models', 'options': {}}] is not a list of runs; each has kind (license, models or both) and "
            "options, words or files, and one is for the license.",
        ),
        *(
            (
                {**NEW, "downloads": [LICENSE, run]},
                f"family echo: downloads: {[LICENSE, run]!r} is not a list of runs; each has kind (license, models or both) and "
                "options, words or files, and one is for the license.",
            )
            for run in (
                {"kind": "models"},
                {"kind": "license", "files": ["a"]},
                {"kind": "models", "files": ["a"], "options": {}},
                {"kind": "models", "words": "downloadmodel"},
                {"kind": "models", "options": {}, "resource": "other"},
            )
        ),
        (
            {**NEW, "gpu": {"tags": "gpu"}},
            "family echo: gpu: {'tags': 'gpu'} is not complete; write tags (a regular expression), need (in words), and unless (a setting and its value) "
            "where one turns it off.",
        ),
        (
            {**NEW, "settings": {"Model": {}}},
            "family echo: settings.Model: the name of a setting is lower-case letters, digits and underscores.",
        ),
        (
            {**NEW, "settings": {"model": {"pattern": "a"}}},
            "family echo: settings.model: {'pattern': 'a'} is not complete; write pattern, rule (in words) and example, "
            "and count, default, includes, list, required where needed.",
        ),
        (
            {**NEW, "settings": {"model": {**RULE, "count": [3, 2]}}},
            "family echo: settings.model.count: [3, 2] is not possible; write the least and the most items of the list.",
        ),
        (
            {**NEW, "captures": {"MODELS": "log"}},
            "family echo: captures: {'MODELS': 'log'} is not complete; below each name write directories or newest, with a directory below the models.",
        ),
        (
            {**NEW, "companions": {"sentiment": {"option": "Host"}}},
            "family echo: companions.sentiment: {'option': 'Host'} is not complete; write option and value, and shared where both share a folder.",
        ),
        (
            {**NEW, "companions": {"sentiment": {"option": "Host", "value": "http://{host}"}}},
            "family echo: companions.sentiment.value: 'http://{host}' has an unknown part in braces; {name} and {port} are known.",
        ),
        (
            {**NEW, "companions": {"sentiment": {"option": "Host", "value": "{name}", "shared": True}}},
            "family echo: it shares a folder with sentiment, so both need the field shared.",
        ),
        (
            {**NEW, "cpu_flags": ["avx2"]},
            "family echo: cpu_flags: ['avx2'] is not a list of CPU flags; write required and recommended, each a list of names from /proc/cpuinfo.",
        ),
        ({**NEW, "shared": "/s"}, "family echo: shared: '/s' is not complete; write mount (a directory in the container) and options that name it."),
    ],
)
def test_each_mistake_is_one_sentence(fields, sentence):
    with pytest.raises(CognitiveError) as wrong:
        Catalogue({"echo": fields})
    assert sentence in wrong.value.details["mistakes"]


def test_companion_that_is_no_family():
    with pytest.raises(CognitiveError, match="family echo: companions names ghost, which is not a family; the families are"):
        Catalogue({"echo": {**NEW, "companions": {"ghost": {"option": "Host", "value": "{name}"}}}})


def test_all_mistakes_at_once():
    with pytest.raises(CognitiveError) as wrong:
        Catalogue({"echo": {**NEW, "port": "x"}, "sentiment": {"style": 1}})
    assert len(wrong.value.details["mistakes"]) == 2
