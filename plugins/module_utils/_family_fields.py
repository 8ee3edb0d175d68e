# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""What each field of a family may hold; each mistake is one sentence that says what is allowed."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._units import parse_size

_REPOSITORY = re.compile(r"(?:[a-zA-Z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*")

_SETTING = re.compile(r"[a-z][a-z0-9_]*")
_RULE = {"pattern", "rule", "example"}
_RULE_MORE = {"required", "default", "list", "includes", "count"}

Check = t.Callable[[str, t.Any], list[str]]


def check_field(field: str, value: object) -> list[str]:
    """What is wrong with C(value) as that field of a family; empty when nothing is."""
    return FIELDS[field](field, value)


def parse_number(value: object) -> float | None:
    """A positive number, or None; a boolean or C(nan) is none."""
    try:
        number = float(str(value)) if not isinstance(value, bool) else 0.0
    except ValueError:
        return None
    return number if 0 < number < 1e15 else None


def parse_port(value: object) -> int | None:
    """A port number, or None."""
    text = str(value)
    return int(text) if not isinstance(value, bool) and re.fullmatch(r"\d{1,5}", text) and 0 < int(text) < 65536 else None


def _text(field: str, value: object) -> list[str]:
    return [] if isinstance(value, str) else [f"{field}: {value!r} is not a text."]


def _choice(*choices: str) -> Check:
    def check(field: str, value: object) -> list[str]:
        return [] if value in choices else [f"{field}: {value!r} is not possible; choose {' or '.join(choices)}."]

    return check


def _port(field: str, value: object) -> list[str]:
    return [] if parse_port(value) else [f"{field}: {value!r} is not a port; write a number from 1 to 65535."]


def _count(field: str, value: object) -> list[str]:
    number = parse_number(value)
    return [] if number and number == int(number) else [f"{field}: {value!r} is not a number; write a whole number above 0."]


def _user(field: str, value: object) -> list[str]:
    return [] if not isinstance(value, bool) and re.fullmatch(r"\d{1,9}", str(value)) else [f"{field}: {value!r} is not the number of a user."]


def _repository(field: str, value: object) -> list[str]:
    if isinstance(value, str) and _REPOSITORY.fullmatch(value):
        return []
    return [f"{field}: {value!r} is not an image repository; write lower case names with slashes between, and no tag."]


def _directory(field: str, value: object) -> list[str]:
    if isinstance(value, str) and re.fullmatch(r"/[^:\s]+", value):
        return []
    return [f"{field}: {value!r} is not a directory in the container; write a path that begins with / and has no colon."]


def _directory_or_none(field: str, value: object) -> list[str]:
    return [] if value == "" else _directory(field, value)


def _pattern(field: str, value: object) -> list[str]:
    try:
        re.compile(value)  # type: ignore[call-overload]
    except (re.error, TypeError):
        return [f"{field}: {value!r} is not a regular expression."]
    return []


def _tag(field: str, value: object) -> list[str]:
    if not isinstance(value, dict) or {"pattern", "rule", "example"} != set(value):
        return [f"{field}: {value!r} is not a rule for tags; write pattern, rule (in words) and example."]
    return _pattern(f"{field}.pattern", value["pattern"])


def _pair(field: str, value: object, parse: t.Callable[[object], float | None], kind: str) -> list[str]:
    if not isinstance(value, dict) or set(value) != {"minimum", "recommended"}:
        return [f"{field}: {value!r} is not complete; write minimum and recommended, and nothing else."]
    wrong = [f"{field}.{key}: {item!r} is not {kind}." for key, item in value.items() if parse(item) is None]
    if not wrong and t.cast(float, parse(value["minimum"])) > t.cast(float, parse(value["recommended"])):
        wrong.append(f"{field}: the minimum {value['minimum']} is above the recommended {value['recommended']}; change one of them.")
    return wrong


def _cpus(field: str, value: object) -> list[str]:
    return _pair(field, value, parse_number, "a number of CPUs; write a number above 0, for example 4")


def _memory(field: str, value: object) -> list[str]:
    return _pair(field, value, _size, "a size; write a number with a unit, for example 512m or 8g")


def _size(value: object) -> float | None:
    try:
        return parse_size(value, "")
    except CognitiveError:
        return None


def _size_list(field: str, value: object) -> list[str]:
    if not isinstance(value, list) or any(not isinstance(item, dict) or set(item) - {"tags", "cpus", "memory"} or "tags" not in item for item in value):
        return [f"{field}: {value!r} is not a list of sizes; each has tags (a regular expression) and cpus or memory."]
    wrong = []
    for item in value:
        wrong += _pattern(f"{field}.tags", item["tags"])
        wrong += _cpus(f"{field}.cpus", item["cpus"]) if "cpus" in item else []
        wrong += _memory(f"{field}.memory", item["memory"]) if "memory" in item else []
    return wrong


def _flags(field: str, value: object) -> list[str]:
    if isinstance(value, dict) and not set(value) - {"required", "recommended"} and all(_texts(flags) for flags in value.values()):
        return []
    return [f"{field}: {value!r} is not a list of CPU flags; write required and recommended, each a list of names from /proc/cpuinfo."]


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _table(field: str, value: object) -> list[str]:
    if isinstance(value, dict) and all(isinstance(key, str) and isinstance(item, (str, int, float, bool)) for key, item in value.items()):
        return []
    return [f"{field}: {value!r} is not a table of names and values."]


def _shared(field: str, value: object) -> list[str]:
    if value == {}:
        return []
    if not isinstance(value, dict) or set(value) != {"mount", "options"}:
        return [f"{field}: {value!r} is not complete; write mount (a directory in the container) and options that name it."]
    return _directory(f"{field}.mount", value["mount"]) + _table(f"{field}.options", value["options"])


def _gpu(field: str, value: object) -> list[str]:
    if value == {}:
        return []
    if not isinstance(value, dict) or not {"tags", "need"} <= set(value) or set(value) - {"tags", "need", "unless"}:
        return [f"{field}: {value!r} is not complete; write tags (a regular expression), need (in words), and unless (a setting and its value) where one turns it off."]
    return _pattern(f"{field}.tags", value["tags"]) + _table(f"{field}.unless", value.get("unless", {}))


def _settings(field: str, value: object) -> list[str]:
    if not isinstance(value, dict):
        return [f"{field}: {value!r} is not a dictionary; write the setting's name, and below it pattern, rule and example."]
    wrong = []
    for name, rule in value.items():
        where = f"{field}.{name}"
        if not isinstance(name, str) or not _SETTING.fullmatch(name):
            wrong.append(f"{where}: the name of a setting is lower-case letters, digits and underscores.")
        elif not isinstance(rule, dict) or not set(rule) >= _RULE or set(rule) - _RULE - _RULE_MORE:
            wrong.append(f"{where}: {rule!r} is not complete; write pattern, rule (in words) and example, and {', '.join(sorted(_RULE_MORE))} where needed.")
        else:
            wrong += _pattern(f"{where}.pattern", rule["pattern"])
            count = rule.get("count", [1, 1])
            if not isinstance(count, list) or len(count) != 2 or not all(_count("", number) == [] for number in count) or count[0] > count[1]:
                wrong.append(f"{where}.count: {count!r} is not possible; write the least and the most items of the list.")
    return wrong


def _captures(field: str, value: object) -> list[str]:
    if isinstance(value, dict) and all(
        isinstance(way, dict) and len(way) == 1 and set(way) <= {"directories", "newest"} and _text("", [*way.values()][0]) == [] for way in value.values()
    ):
        return []
    return [f"{field}: {value!r} is not complete; below each name write directories or newest, with a directory below the models."]


def _companions(field: str, value: object) -> list[str]:
    if not isinstance(value, dict):
        return [f"{field}: {value!r} is not a dictionary; write the companion's family, and below it option and value."]
    wrong = []
    for family, link in value.items():
        if not isinstance(link, dict) or not {"option", "value"} <= set(link) or set(link) - {"option", "value", "shared", "optional", "any_of", "environment"}:
            wrong.append(f"{field}.{family}: {link!r} is not complete; write option and value, and shared where both share a folder.")
            continue
        wrong += _table(f"{field}.{family}.environment", link.get("environment", {}))
        try:
            str(link["value"]).format(name="x", port=1)
        except (KeyError, ValueError, IndexError):
            wrong.append(f"{field}.{family}.value: {link['value']!r} has an unknown part in braces; {{name}} and {{port}} are known.")
    return wrong


def _downloads(field: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(map(_is_run, value)) or not any(run["kind"] in ("license", "both") for run in value):
        return [f"{field}: {value!r} is not a list of runs; each has kind (license, models or both) and options, words or files, and one is for the license."]
    return [problem for run in value for problem in _table(f"{field}.options", run.get("options", {}))]


def _is_run(run: object) -> bool:
    """Whether C(run) is one of the connected side; files are brought by hand, so nothing is run for them."""
    if not isinstance(run, dict) or run.get("kind") not in ("license", "models", "both"):
        return False
    ways = set(run) - {"kind"}
    if ways == {"files"}:
        return run["kind"] == "models" and _texts(run["files"])
    return bool(ways & {"options", "words"}) and not ways - {"options", "words", "resource"} and _texts(run.get("words", [])) and run.get("resource", "model") == "model"


def _query(field: str, value: object) -> list[str]:
    if value == {} or (isinstance(value, dict) and {"method", "path", "status"} <= set(value)):
        return []
    return [f"{field}: {value!r} is not a query; write at least method, path and status."]


FIELDS: dict[str, Check] = {
    "title": _text,
    "repository": _repository,
    "port": _port,
    "style": _choice("arguments", "environment"),
    "tag": _tag,
    "cpus": _cpus,
    "memory": _memory,
    "sizes": _size_list,
    "cpu_flags": _flags,
    "gpu": _gpu,
    "architecture": _text,
    "user": _user,
    "license": _directory,
    "output": _directory,
    "models": _directory_or_none,
    "shared": _shared,
    "options": _table,
    "environment": _table,
    "settings": _settings,
    "captures": _captures,
    "companions": _companions,
    "downloads": _downloads,
    "ready_timeout": _count,
    "query": _query,
    "commitment": _text,
    "sources": _table,
}
