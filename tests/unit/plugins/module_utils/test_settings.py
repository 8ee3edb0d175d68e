# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils._family import Catalogue
from ansible_collections.airgap.cognitive.plugins.module_utils._family_data import FAMILIES
from ansible_collections.airgap.cognitive.plugins.module_utils._settings import (
    check_settings,
    fill_query,
    fill_table,
    fill_words,
    needs_gpu,
    release,
)

MODEL = "b8a3e1c2-0d4f-4e6a-9b1c-2f3d4e5a6b7c"
WITH_SETTINGS = sorted(name for name, fields in FAMILIES.items() if fields.get("settings"))


def family(name):
    return Catalogue().get(name)


def examples(name):
    return {setting: rule["example"] for setting, rule in family(name).settings.items()}


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_examples_are_allowed_and_fill_every_place(name):
    settings, mistakes = check_settings(family(name), examples(name))
    assert mistakes == []
    assert sorted(settings) == sorted(family(name).settings)
    steps = [fill_table(family(name), step["options"], settings) for step in family(name).downloads]
    words = [fill_words(family(name), step.get("words", []), settings) for step in family(name).downloads]
    environment = fill_table(family(name), {**family(name).options, **family(name).environment}, settings)
    filled = json.dumps([steps, words, environment, fill_query(family(name), settings)])
    assert re.findall(r"\{[a-z_]+\}", filled) == []


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_every_setting_is_used(name):
    used = json.dumps({field: FAMILIES[name].get(field) for field in ("downloads", "options", "environment")})
    for setting in family(name).settings:
        assert f"{{{setting}}}" in used


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("custom-speech-to-text", {"model_id": None}, "setting model_id of family custom-speech-to-text is missing; write the ID of a custom model as "),
        ("custom-speech-to-text", {"model_id": "mine"}, 'setting model_id of family custom-speech-to-text: "mine" is not allowed; write the ID of a custom '),
        ("custom-speech-to-text", {"display": ["Punctuation"]}, "setting display of family custom-speech-to-text: [Punctuation] is not allowed; write FullDisplay, or "),
        ("custom-speech-to-text", {"display_locale": "english"}, 'setting display_locale of family custom-speech-to-text: "english" is not allowed; write a locale, '),
        ("speech-to-text", {"decoders": 0}, 'setting decoders of family speech-to-text: "0" is not allowed; write a number of decoders from 1 to 99, for example "4".'),
        ("summarization", {"kind": "Extractive"}, 'setting kind of family summarization: "Extractive" is not allowed; write ExtractiveSummarization, '),
        ("clu", {"project": "my app"}, 'setting project of family clu: "my app" is not allowed; write the name of a project, without blanks, '),
        ("clu", {"exported_model": ""}, "setting exported_model of family clu is missing; write the name of an exported model, "),
        ("luis", {"slot": "Production"}, 'setting slot of family luis: "Production" is not allowed; write production or staging, in lower case, '),
        ("luis", {"app_id": "1"}, 'setting app_id of family luis: "1" is not allowed; write the ID of an app, '),
        (
            "text-translation",
            {"languages": ["fr", "es"]},
            "setting languages of family text-translation: [fr, es] is not allowed; write a list of 2 to 12 codes of languages, en among them, "
            "for example [en, fr, es].",
        ),
        ("text-translation", {"languages": ["en"]}, "setting languages of family text-translation: [en] is not allowed; "),
        ("text-translation", {"languages": ["en", "fr", "fr"]}, "setting languages of family text-translation: [en, fr, fr] is not allowed; "),
        ("text-translation", {"languages": ["en", False]}, "setting languages of family text-translation: [en, False] is not allowed; "),
        ("text-translation", {"languages": {"en": 1}}, "setting languages of family text-translation: \"{'en': 1}\" is not allowed; "),
        ("text-translation", {"languages": ["en", *(f"l{letter}" for letter in "abcdefghijkl")]}, "setting languages of family text-translation: [en, la, "),
        ("text-translation", {"categories": ["my category"]}, "setting categories of family text-translation: [my category] is not allowed; write a list of "),
        ("cs-text", {"cuda": "maybe"}, 'setting cuda of family cs-text: "maybe" is not allowed; write true or false, for example "true".'),
        ("luis", {"slots": "x"}, "family luis has no setting slots; did you mean slot?"),
        ("sentiment", {"model": "x"}, "family sentiment has no setting model; it has none."),
    ],
)
def test_each_wrong_setting_is_one_sentence(name, change, sentence):
    _settings, (mistake,) = check_settings(family(name), {**examples(name), **change})
    assert mistake.startswith(sentence)
    assert mistake.endswith((".", "?")) and "\n" not in mistake


def test_settings_that_are_no_table():
    assert check_settings(family("clu"), ["project"])[1] == ["settings ['project'] is not a table; write a name and a value for each."]


def test_list_as_a_text_and_truth_as_a_word():
    assert check_settings(family("text-translation"), {"languages": "en, fr es"}) == ({"languages": ["en", "fr", "es"]}, [])
    assert check_settings(family("cs-text"), {"cuda": False})[0] == {"cuda": "false"}
    assert check_settings(family("cs-text"), {})[0] == {"cuda": "true"}


def test_what_is_left_out_is_not_told():
    speech = family("custom-speech-to-text")
    settings, _mistakes = check_settings(speech, {"model_id": MODEL})
    assert fill_table(speech, speech.downloads[0]["options"], settings) == {"ModelId": MODEL}
    assert fill_words(speech, speech.downloads[0]["words"], settings) == []
    settings, _mistakes = check_settings(speech, {"model_id": MODEL, "display": ["Punct", "Rescore"]})
    assert fill_words(speech, speech.downloads[0]["words"], settings) == ["Punct", "Rescore"]


def test_braces_that_name_no_setting_stay():
    assert fill_table(family("clu"), {"a": '{"kind": {other}}'}, {}) == {"a": '{"kind": {other}}'}


def test_query_of_the_settings():
    translator = family("text-translation")
    assert fill_query(translator, {"languages": ["en", "fr", "es"]})["path"] == "/translate?api-version=3.0&from=en&to=fr"
    summarization = family("summarization")
    assert fill_query(summarization, {"kind": "AbstractiveSummarization"})["body"]["tasks"][0]["kind"] == "AbstractiveSummarization"
    conversation = fill_query(summarization, {"kind": "ConversationSummarization"})
    assert conversation["path"].startswith("/language/analyze-conversations/jobs")
    assert "by_setting" not in conversation


def test_release_tells_downloads_apart():
    clu = family("clu")
    one, other = ({"project": project, "exported_model": model} for project, model in (("a-b", "c"), ("a", "b-c")))
    assert release(clu, "1.0", one) != release(clu, "1.0", other)
    assert release(clu, "1.0", one).startswith("1.0@c-a-b-")
    # What changes no download changes no release.
    assert release(family("speech-to-text"), "4.12.0-amd64-en-us", {"decoders": "4"}) == "4.12.0-amd64-en-us"
    assert re.fullmatch(r"cpu@[a-z0-9-]{1,24}-[0-9a-f]{8}", release(family("summarization"), "cpu", {"kind": "ExtractiveSummarization"}))


@pytest.mark.parametrize(
    ("name", "tag", "settings", "needed"),
    [
        ("summarization", "gpu", {}, True),
        ("summarization", "cpu", {}, False),
        ("cs-image", "latest", {"cuda": "true"}, True),
        ("cs-image", "latest", {"cuda": "false"}, False),
        ("sentiment", "3.0-en", {}, False),
    ],
)
def test_gpu_by_tag_and_setting(name, tag, settings, needed):
    assert ("NVIDIA" in (needs_gpu(family(name), tag, settings) or "")) == needed
