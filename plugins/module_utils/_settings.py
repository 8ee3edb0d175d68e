# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""What an operator chooses within a family (languages, a model, a project): checked, and filled into options.

A text with C({name}) in it takes the value of the setting of that name; where the setting was left out, so is what names it.
A list is filled in with commas between, and C({name_other}) is its first item that the family does not ask for anyhow.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._family import Family

_PLACE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
Settings = t.Mapping[str, t.Union[str, list[str]]]


def check_settings(family: Family, given: object) -> tuple[dict[str, str | list[str]], list[str]]:
    """The settings of a service as texts and lists of texts, and one sentence for each mistake in C(given)."""
    if not isinstance(given, dict):
        return {}, [f"settings {given!r} is not a table; write a name and a value for each."]
    mistakes = []
    for name in given:
        if name not in family.settings:
            near = difflib.get_close_matches(str(name), family.settings, n=1)
            known = f"it has {', '.join(family.settings)}" if family.settings else "it has none"
            mistakes.append(f"family {family.name} has no setting {name}; {f'did you mean {near[0]}?' if near else known + '.'}")
    settings: dict[str, str | list[str]] = {}
    for name, rule in family.settings.items():
        value = given.get(name, rule.get("default"))
        where = f"setting {name} of family {family.name}"
        advice = f"write {rule['rule']}, for example {_shown(rule['example'])}."
        if value is None or value == "":
            if rule.get("required"):
                mistakes.append(f"{where} is missing; {advice}")
            continue
        found = _parse(rule, value)
        if found is None:
            mistakes.append(f"{where}: {_shown(value)} is not allowed; {advice}")
        else:
            settings[name] = found
    return settings, mistakes


def _parse(rule: t.Mapping[str, t.Any], value: object) -> str | list[str] | None:
    """C(value) as the rule wants it, or None."""
    if not rule.get("list"):
        text = _text(value)
        return text if text is not None and re.fullmatch(rule["pattern"], text) else None
    items = re.split(r"[,\s]+", value.strip()) if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)):
        return None
    texts = [_text(item) for item in items]
    least, most = rule.get("count", [1, 100])
    if not least <= len(texts) <= most or len(set(texts)) < len(texts) or not all(text is not None and re.fullmatch(rule["pattern"], text) for text in texts):
        return None
    return [str(text) for text in texts] if rule.get("includes") in (None, *texts) else None


def _text(value: object) -> str | None:
    # YAML reads true, and the number of a thing, as what they are not here.
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (str, int)) else None


def _shown(value: object) -> str:
    return f"[{', '.join(str(item) for item in value)}]" if isinstance(value, (list, tuple)) else f'"{value}"'


def fill(family: Family, text: str, settings: Settings) -> str | None:
    """C(text) with the settings in their places; None where one of them was left out."""
    missing = False

    def put(match: re.Match[str]) -> str:
        nonlocal missing
        name, _underscore, other = match.group(1).rpartition("_")
        if other == "other" and name in family.settings:
            wanted = family.settings[name].get("includes")
            return next((item for item in settings.get(name, ()) if item != wanted), "")
        if match.group(1) not in family.settings:
            return match.group(0)
        value = settings.get(match.group(1))
        missing = missing or value is None
        return ",".join(value) if isinstance(value, list) else str(value)

    filled = _PLACE.sub(put, text)
    return None if missing else filled


def fill_table(family: Family, table: t.Mapping[str, t.Any], settings: Settings) -> dict[str, str]:
    """C(table) without the entries whose settings were left out."""
    filled = {key: fill(family, str(value), settings) for key, value in table.items()}
    return {key: value for key, value in filled.items() if value is not None}


def fill_words(family: Family, words: t.Iterable[str], settings: Settings) -> list[str]:
    """Words that go after the image as they are; each item of a list is one."""
    filled: list[str] = []
    for word in words:
        name = word[1:-1]
        if word == f"{{{name}}}" and isinstance(settings.get(name), list):
            filled += settings[name]
        else:
            text = fill(family, word, settings)
            filled += [] if text is None else [text]
    return filled


def fill_query(family: Family, settings: Settings) -> dict[str, t.Any]:
    """The family's query with the settings in it."""
    query = dict(family.query)
    for name, overlays in query.pop("by_setting", {}).items():
        query.update(overlays.get(settings.get(name), {}))
    return t.cast("dict[str, t.Any]", _fill_deep(family, query, settings))


def _fill_deep(family: Family, value: t.Any, settings: Settings) -> t.Any:
    if isinstance(value, str):
        filled = fill(family, value, settings)
        return value if filled is None else filled
    if isinstance(value, dict):
        return {key: _fill_deep(family, item, settings) for key, item in value.items()}
    return [_fill_deep(family, item, settings) for item in value] if isinstance(value, list) else value


def of_downloads(family: Family, settings: Settings) -> dict[str, str | list[str]]:
    """The settings on which depends what is downloaded."""
    named = set(_PLACE.findall(json.dumps(family.downloads)))
    return {name: value for name, value in settings.items() if name in named}


def release(family: Family, tag: str, settings: Settings) -> str:
    """The tag, and with it what tells the license and the models of these settings from those of others."""
    chosen = of_downloads(family, settings)
    if not chosen:
        return tag
    words = "-".join("-".join(value) if isinstance(value, list) else value for _name, value in sorted(chosen.items()))
    # Names of models are anything; what is cut from them is in the checksum.
    readable = re.sub(r"[^a-z0-9]+", "-", words.lower())[:24].strip("-")
    return f"{tag}@{readable}-{hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:8]}"


def needs_gpu(family: Family, tag: str, settings: Settings) -> str | None:
    """What GPU a container with this tag needs, or None."""
    gpu = family.gpu
    if not gpu or not re.fullmatch(gpu["tags"], tag) or any(settings.get(name) == value for name, value in gpu.get("unless", {}).items()):
        return None
    return str(gpu["need"])
