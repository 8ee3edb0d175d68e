# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._family import Catalogue
from ansible_collections.airgap.cognitive.plugins.module_utils._service import Site, resolve

SENTIMENT = {"name": "sentiment-en", "family": "sentiment", "tag": "3.0-en", "port": 5001}
LAYOUT = {"name": "layout", "family": "di-layout", "tag": "2024-11-30", "port": 5010}
INVOICE = {"name": "invoice", "family": "di-invoice", "tag": "2024-11-30", "port": 5011}
CUSTOM = {"name": "custom", "family": "di-custom-template", "tag": "2024-11-30", "port": 5012}


def services_of(*declared, families=None, site=Site()):
    return resolve({"edge1": list(declared)}, Catalogue(families), site)["services"]


def mistakes_of(*declared, families=None, site=Site()):
    with pytest.raises(CognitiveError) as wrong:
        services_of(*declared, families=families, site=site)
    return wrong.value.details["mistakes"]


def test_a_service_with_the_recommended_sizes():
    (service,) = services_of(SENTIMENT)
    assert service["image"] == "azure-cognitive-services/textanalytics/sentiment:3.0-en"
    assert (service["cpus"], service["memory"], service["container_port"], service["bind"]) == (4.0, 8 * 1024**3, 5000, "127.0.0.1")
    assert service["command"] == ["eula=accept", "Mounts:License=/license", "Mounts:Output=/output"]
    assert service["env"] == {}
    assert service["volumes"] == [
        "/var/lib/cognitive/sentiment-en/license:/license:ro",
        "/var/lib/cognitive/sentiment-en/output:/output",
    ]
    assert service["trees"] == [
        {
            "kind": "license",
            "dest": "/var/lib/cognitive/sentiment-en/license",
            "family": "sentiment",
            "tag": "3.0-en",
            "owner": 65532,
            "group": 65532,
            "mode": "0440",
            "directory_mode": "0550",
        }
    ]
    assert service["restart"] == "unless-stopped"
    assert "arguments" not in service


def test_what_the_operator_says_counts():
    (service,) = services_of(
        {**SENTIMENT, "cpus": "2.5", "memory": "512m", "bind": "0.0.0.0", "restart": False, "ready_timeout": 9, "output": "/srv/out/"},
        site=Site(registry="registry.example:5000", root="/srv/cognitive", network="ai"),
    )
    assert (service["cpus"], service["memory"], service["bind"], service["restart"], service["ready_timeout"]) == (2.5, 512 * 1024**2, "0.0.0.0", "no", 9)
    assert service["image"].startswith("registry.example:5000/azure-cognitive-services/")
    assert service["volumes"] == ["/srv/cognitive/sentiment-en/license:/license:ro", "/srv/out:/output"]
    assert service["network"] == "ai"


def test_environment_style_takes_no_arguments():
    (service,) = services_of({**SENTIMENT, "env": {"A": True}, "arguments": {"Logging:Disk:Format": "json"}}, families={"sentiment": {"style": "environment"}})
    assert service["command"] == []
    assert service["env"] == {
        "eula": "accept",
        "Mounts:License": "/license",
        "Mounts:Output": "/output",
        "Logging:Disk:Format": "json",
        "A": "true",
    }


def test_models_of_a_family_are_mounted_and_pushed():
    families = {"sentiment": {"models": "/usr/local/models"}}
    (service,) = services_of(SENTIMENT, families=families)
    assert service["models_dir"] == "/var/lib/cognitive/sentiment-en/models"
    assert service["volumes"][-1] == "/var/lib/cognitive/sentiment-en/models:/usr/local/models:ro"
    assert [tree["kind"] for tree in service["trees"]] == ["license", "models"]


def test_invoice_is_told_its_layout_and_starts_after_it():
    layout, invoice = services_of(INVOICE, LAYOUT)
    assert (layout["name"], layout["order"]) == ("layout", 0)
    assert (invoice["order"], invoice["depends_on"], invoice["container_port"]) == (1, ["layout"], 5050)
    assert invoice["env"] == {"AzureCognitiveServiceLayoutHost": "http://layout:5000"}
    assert layout["shared_dir"] is None and invoice["shared_dir"] is None


def test_custom_template_shares_a_folder_with_its_layout():
    layout, custom = services_of(CUSTOM, LAYOUT)
    assert layout["shared_dir"] == custom["shared_dir"] == "/var/lib/cognitive/layout/shared"
    for service in (layout, custom):
        assert "/var/lib/cognitive/layout/shared:/share" in service["volumes"]
        assert {"SharedRootFolder=/share", "Mounts:Shared=/share"} <= set(service["command"])
    assert layout["license_dir"] != custom["license_dir"]


RECEIPT = {"name": "receipt", "family": "di-receipt", "tag": "2023-07-31", "port": 5013}
READ = {"name": "read", "family": "di-read", "tag": "2023-07-31", "port": 5014}
NER = {"name": "ner", "family": "ner", "tag": "3.0-en", "port": 5015}
CLU = {"name": "clu", "family": "clu", "tag": "1.0", "port": 5016, "settings": {"project": "Mail", "exported_model": "Mail1"}}
TRANSLATOR = {"name": "translator", "family": "text-translation", "tag": "latest", "port": 5017, "settings": {"languages": ["en", "fr"]}}


@pytest.mark.parametrize("family", ["di-receipt", "di-id-document", "di-businesscard"])
def test_either_of_two_companions_is_enough(family):
    downstream = {**RECEIPT, "family": family}
    assert services_of(LAYOUT, downstream)[-1]["env"] == {"AzureCognitiveServiceLayoutHost": "http://layout:5000"}
    # Where both are there, the documents name Read first.
    assert services_of(LAYOUT, READ, downstream)[-1]["env"] == {"AzureCognitiveServiceReadHost": "http://read:5000"}
    chosen = services_of(LAYOUT, READ, {**downstream, "companions": {"di-layout": "layout"}})[-1]
    assert (chosen["env"], chosen["depends_on"]) == ({"AzureCognitiveServiceLayoutHost": "http://layout:5000"}, ["layout"])
    assert mistakes_of(downstream) == [
        "edge1, service receipt: it needs a service of family di-read or di-layout on the same host; add one to cognitive_services of edge1."
    ]


def test_optional_companions_only_where_they_are_named():
    assert services_of(NER, CLU)[-1]["env"] == {}
    clu = services_of({**CLU, "companions": {"ner": "ner"}}, NER)[-1]
    assert (clu["env"], clu["order"]) == ({"Ner_Url": "http://ner:5000"}, 1)
    assert mistakes_of({**CLU, "companions": {"ner": "ner"}}) == [
        "edge1, service clu: its companion ner is not a service of family ner on this host; add one to cognitive_services."
    ]


def test_translator_and_its_companions():
    detection = {"name": "lad", "family": "language-detection", "tag": "3.0", "port": 5018}
    read = {"name": "ocr", "family": "vision-read", "tag": "3.2", "port": 5019}
    lad, ocr, translator = services_of({**TRANSLATOR, "companions": {"language-detection": "lad", "vision-read": "ocr"}}, detection, read)
    assert lad["env"] == {"LADINCLUSTER": "true"}
    assert ocr["env"] == {}
    assert translator["command"] == []
    assert translator["env"] == {
        "eula": "accept",
        "Mounts:License": "/license",
        "Mounts:Output": "/output",
        "ladurl": "http://lad:5000",
        "VISIONURL": "http://ocr:5000",
    }
    assert "/var/lib/cognitive/translator/models:/usr/local/models:ro" in translator["volumes"]


def test_settings_reach_query_trees_and_downloads():
    found = resolve({"edge1": [CLU], "edge2": [{**CLU, "settings": {"project": "Chat", "exported_model": "Chat1"}}]}, Catalogue(), Site())
    one, other = found["services"]
    assert one["query"]["body"]["parameters"]["projectName"] == "Mail"
    assert {tree["tag"] for tree in one["trees"]} == {one["release"]} != {other["release"]}
    assert [tree["kind"] for tree in one["trees"]] == ["license", "models"]
    assert len(found["images"]) == 1
    assert sorted(item["settings"]["project"] for item in found["downloads"]) == ["Chat", "Mail"]
    assert {item["name"] for item in found["downloads"]} == {one["image"]}


def test_two_families_of_one_image_have_a_license_each():
    echo = {"repository": "azure-cognitive-services/textanalytics/sentiment", "cpus": {"minimum": 1, "recommended": 2}, "memory": {"minimum": "1g", "recommended": "2g"}}
    found = resolve({"edge1": [SENTIMENT, {**SENTIMENT, "name": "echo", "family": "echo", "port": 5002}]}, Catalogue({"echo": echo}), Site())
    assert len(found["images"]) == 1
    assert [item["family"] for item in found["downloads"]] == ["echo", "sentiment"]


def test_wrong_setting_names_service_family_and_what_is_allowed():
    assert mistakes_of({**TRANSLATOR, "settings": {"languages": ["fr", "de"]}}) == [
        "edge1, service translator: setting languages of family text-translation: [fr, de] is not allowed; "
        "write a list of 2 to 12 codes of languages, en among them, for example [en, fr, es]."
    ]


def test_gpu_and_terms_of_summarization():
    summarization = {"name": "sum", "family": "summarization", "tag": "gpu", "port": 5020, "settings": {"kind": "ExtractiveSummarization"}}
    (service,) = services_of(summarization)
    assert service["gpu"] is True and "16 GB" in service["needs"]["gpu"]
    assert service["command"][-1] == "rai_terms=accept"
    (service,) = services_of({**summarization, "tag": "cpu"})
    assert service["gpu"] is False and service["needs"]["gpu"] is None


def test_environment_of_a_setting():
    speech = {"name": "stt", "family": "speech-to-text", "tag": "4.12.0-amd64-en-us", "port": 5021}
    assert services_of(speech)[0]["env"] == {}
    assert services_of({**speech, "settings": {"decoders": 4}})[0]["env"] == {"DECODER_MAX_COUNT": "4"}


def test_a_family_of_the_inventory_with_settings():
    """One entry in one place: everything that a family can say."""
    families = {
        "echo": {
            "repository": "example/echo",
            "cpus": {"minimum": 1, "recommended": 2},
            "memory": {"minimum": "1g", "recommended": "2g"},
            "models": "/data",
            "gpu": {"tags": ".*-gpu", "need": "any GPU"},
            "settings": {"voice": {"pattern": "[a-z]+", "rule": "letters", "example": "alto", "required": True}},
            "options": {"Voice": "{voice}"},
            "downloads": [{"kind": "models", "options": {"Fetch": "{voice}"}, "words": ["fetch"]}, {"kind": "license", "options": {"DownloadLicense": "True"}}],
            "companions": {"sentiment": {"option": "Mood", "value": "http://{name}:{port}", "optional": True, "environment": {"SHARED": "1"}}},
        }
    }
    echo = {"name": "echo", "family": "echo", "tag": "1-gpu", "port": 5022, "settings": {"voice": "alto"}, "companions": {"sentiment": "sentiment-en"}}
    mood, service = services_of(echo, SENTIMENT, families=families)
    assert mood["env"] == {"SHARED": "1"}
    assert (service["gpu"], service["command"][-1], service["env"]) == (True, "Voice=alto", {"Mood": "http://sentiment-en:5000"})
    assert service["release"].startswith("1-gpu@alto-")
    assert mistakes_of({**echo, "settings": {"voice": "ALTO"}}, SENTIMENT, families=families) == [
        'edge1, service echo: setting voice of family echo: "ALTO" is not allowed; write letters, for example "alto".'
    ]


def test_two_layouts_need_a_choice():
    other = {**LAYOUT, "name": "layout-b", "port": 5020}
    assert mistakes_of(LAYOUT, other, INVOICE) == [
        "edge1, service invoice: it needs one service of family di-layout and there are layout, layout-b; name one below companions."
    ]
    services = services_of(LAYOUT, other, {**INVOICE, "companions": {"di-layout": "layout-b"}})
    assert services[-1]["env"]["AzureCognitiveServiceLayoutHost"] == "http://layout-b:5000"


def test_services_of_hosts_and_images_each_once():
    found = resolve({"edge2": [SENTIMENT], "edge1": [LAYOUT, {**SENTIMENT, "name": "b"}], "edge3": []}, Catalogue(), Site())
    assert [(service["host"], service["name"]) for service in found["services"]] == [("edge1", "layout"), ("edge1", "b"), ("edge2", "sentiment-en")]
    assert found["images"] == [
        {"name": "azure-cognitive-services/form-recognizer/layout-3.1:2024-11-30", "family": "di-layout", "tag": "2024-11-30", "hosts": ["edge1"]},
        {"name": "azure-cognitive-services/textanalytics/sentiment:3.0-en", "family": "sentiment", "tag": "3.0-en", "hosts": ["edge1", "edge2"]},
    ]


def test_a_family_without_a_resource():
    with pytest.raises(CognitiveError) as wrong:
        resolve({"edge1": [SENTIMENT], "edge2": [SENTIMENT, LAYOUT]}, Catalogue(), Site(), resources=["di-layout"])
    assert str(wrong.value) == ("edge1, edge2: family sentiment has no Azure resource; add cognitive_resources.sentiment with its endpoint and api_key.")


def test_same_port_on_two_addresses_is_two_ports():
    other = {**SENTIMENT, "name": "b", "bind": "10.0.0.1"}
    assert len(services_of(SENTIMENT, other)) == 2
    assert mistakes_of(SENTIMENT, {**other, "bind": "0.0.0.0"}) == [
        "edge1, services sentiment-en and b: both want port 5001; give each service of a host its own port."
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"family": "sentimnt"}, "family sentimnt is unknown; did you mean sentiment? "),
        ({"family": None}, "the family is missing; write one of clu, "),
        ({"family": "anomaly-detector"}, "family anomaly-detector cannot be deployed: Microsoft does not offer Anomaly Detector as a disconnected container; "),
        ({"tag": None}, 'the tag is missing; write a version and a language, or latest (English), for example "3.0-en".'),
        ({"tag": ""}, "the tag is missing; "),
        ({"tag": 3.1}, 'the tag 3.1 is not a text; put it in quotes, for example "3.0-en".'),
        ({"tag": datetime.date(2024, 11, 30)}, "the tag 2024-11-30 is not a text; put it in quotes, "),
        ({"tag": "3.0"}, "the tag '3.0' is not one of family sentiment; write a version and a language, or latest (English), "),
        ({"port": None}, "the port is missing; write a number from 1 to 65535 that is free on the host."),
        ({"port": 0}, "the port 0 is not a port; "),
        ({"port": 65536}, "the port 65536 is not a port; "),
        ({"port": "50 01"}, "the port '50 01' is not a port; "),
        ({"port": True}, "the port True is not a port; "),
        ({"memory": "8q"}, "memory: '8q' is not a size; write a number with a unit, for example 512m or 8g."),
        ({"memory": 0}, "memory: 0 is not a size; "),
        ({"memory": "1m"}, "memory '1m' is less than Docker allows (6m); "),
        ({"cpus": "many"}, "cpus 'many' is not a number of CPUs; write a number from 0.01 on, for example 4."),
        ({"cpus": 0}, "cpus 0 is not a number of CPUs; "),
        ({"cpus": "nan"}, "cpus 'nan' is not a number of CPUs; "),
        ({"bind": "edge1"}, "bind 'edge1' is not an IP address; "),
        ({"restart": "sometimes"}, "restart 'sometimes' is not a policy; choose one of no, always, on-failure, unless-stopped."),
        ({"ready_timeout": "soon"}, "ready_timeout 'soon' is not a number of seconds; "),
        ({"output": "out"}, "output 'out' is not a directory of the host; "),
        ({"output": "/"}, "output '/' is not a directory of the host; "),
        ({"env": ["A=1"]}, "env ['A=1'] is not a table; write a name and a value for each."),
        ({"env": {"ApiKey": "x"}}, "env names ApiKey, which a disconnected service does not have; "),
        ({"arguments": {"Billing": "x"}}, "arguments names Billing, which a disconnected service does not have; "),
        ({"env": {"Mounts__License": "/x"}}, "env names Mounts__License, which this collection sets itself; take it out."),
        ({"companions": {"di-layout": "layout"}}, "companions names di-layout, which family sentiment does not work with; it has none."),
        ({"companions": "layout"}, "companions 'layout' is not a table; "),
        ({"prot": 5001}, "there is no key prot; did you mean port?"),
        ({"zzz": 1}, "there is no key zzz; allowed are name, family, tag, "),
    ],
)
def test_each_mistake_is_one_sentence(change, sentence):
    (mistake,) = mistakes_of({**SENTIMENT, **change})
    assert mistake.startswith(f"edge1, service sentiment-en: {sentence}")
    assert "\n" not in mistake


@pytest.mark.parametrize("name", ["Sentiment", "a_b", "-a", "a-", "", None, 5, "../x", ".spool", "a" * 64])
def test_names_that_no_directory_or_host_can_have(name):
    (mistake,) = mistakes_of({**SENTIMENT, "name": name})
    assert f"the name {name!r} is not possible; write lower-case letters, digits and dashes, 63 at most." in mistake


def test_two_services_of_one_name():
    assert mistakes_of(SENTIMENT, {**SENTIMENT, "port": 5002}) == ["edge1, service sentiment-en: two services have this name; give each its own."]


def test_missing_and_wrong_companion():
    assert mistakes_of(INVOICE) == ["edge1, service invoice: it needs a service of family di-layout on the same host; add one to cognitive_services of edge1."]
    assert mistakes_of(LAYOUT, SENTIMENT, {**INVOICE, "companions": {"di-layout": "sentiment-en"}}) == [
        "edge1, service invoice: its companion sentiment-en is not a service of family di-layout on this host; there are layout."
    ]


def test_companions_in_a_circle():
    link = {"option": "Host", "value": "{name}"}
    families = {"sentiment": {"companions": {"keyphrase": link}}, "keyphrase": {"companions": {"sentiment": link}}}
    assert mistakes_of(SENTIMENT, {"name": "k", "family": "keyphrase", "tag": "3.0-en", "port": 5002}, families=families) == [
        "edge1, services sentiment-en, k: each waits for another of them; change the companions of their families."
    ]


@pytest.mark.parametrize(
    ("site", "sentence"),
    [
        (Site(registry="https://registry.example"), "registry: 'https://registry.example' is not the name of a registry; "),
        (Site(root="cognitive"), "root: 'cognitive' is not a directory of the hosts; "),
        (Site(bind="localhost"), "bind: 'localhost' is not an IP address; "),
    ],
)
def test_mistakes_in_what_holds_for_all(site, sentence):
    (mistake,) = mistakes_of(SENTIMENT, site=site)
    assert mistake.startswith(sentence)


def test_declarations_that_are_no_list():
    with pytest.raises(CognitiveError, match="edge1: cognitive_services is not a list; write a dash before each service"):
        resolve({"edge1": {"name": "x"}}, Catalogue(), Site())
    assert mistakes_of("sentiment") == ["edge1, cognitive_services: 'sentiment' is not a service; write at least name, family, tag and port."]


def test_every_mistake_of_every_host_at_once():
    with pytest.raises(CognitiveError) as wrong:
        resolve({"edge1": [{**SENTIMENT, "port": 0, "memory": "x"}], "edge2": [INVOICE]}, Catalogue(), Site(), resources=[])
    assert [mistake.split(":")[0] for mistake in wrong.value.details["mistakes"]] == [
        "edge1, service sentiment-en",
        "edge1, service sentiment-en",
        "edge2, service invoice",
        "edge2",
        "edge1",
    ]
