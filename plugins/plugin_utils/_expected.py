# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Which services should have been counted, and which were not: a number that is missing is named, and never zero."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.airgap.cognitive.plugins.plugin_utils._ledger import when
from ansible_collections.airgap.cognitive.plugins.plugin_utils._states import Finding, HostKey, HostState, ServiceState

# A gather a day is the least that is expected; the last one of a run may be hours after the first.
STALE = datetime.timedelta(hours=36)
# So many problems of one service are told; the rest is in the ledger.
_MOST_PROBLEMS = 5


def compare_with_expected(
    states: dict[HostKey, HostState], expected: t.Sequence[t.Mapping[str, t.Any]], as_of: str | None
) -> tuple[list[dict[str, t.Any]], list[Finding]]:
    """Every service that is expected or was ever seen, with its state; a gap for each whose numbers are missing."""
    wanted: dict[tuple[str, str, str], str] = {}
    every_site = sorted({site for site, _host in states})
    # Of a host that was never gathered, the site is known where there is only one.
    elsewhere = every_site[0] if len(every_site) == 1 else ""
    for service in expected:
        sites = [service["site"]] if service.get("site") else [site for site, host in states if host == service["host"]] or [elsewhere]
        wanted.update({(site, service["host"], service["name"]): service["family"] for site in sites})
    if not expected:
        wanted = {(key[0], key[1], name): found.family for key, state in states.items() for name, found in state.services.items()}
    services, findings = [], []
    silent: dict[HostKey, list[str]] = {}
    for site, host, name in sorted(set(wanted) | {(*key, name) for key, state in states.items() for name in state.services}):
        state = states.get((site, host))
        known = state.services.get(name) if state else None
        retired = (site, host, name) not in wanted
        why = None if retired else _why_missing(state, known, as_of)
        if why == "host":
            silent.setdefault((site, host), []).append(name)
        elif why:
            findings.append(_gap(site, host, name, f"{name} on {host}: {why}. {_counted_until(known)}"))
        elif known and not retired and known.problems:
            findings += [_service_anomaly(site, host, name, problem) for problem in known.problems[:_MOST_PROBLEMS]]
        services.append(
            {
                "site": site,
                "host": host,
                "service": name,
                "family": known.family if known else wanted[site, host, name],
                "state": "retired" if retired else "missing" if why else "counted",
                "counted_until": known.last_good if known else None,
                "record": known.source if known else None,
            }
        )
    findings += [_host_gap(states.get((site, host)), site, host, names) for (site, host), names in silent.items()]
    silent_states = [state for key, state in states.items() if not state.reachable and key not in silent and any(key == want[:2] for want in wanted)]
    findings += [_host_gap(state, state.site, state.host, []) for state in silent_states]
    return services, findings


def _why_missing(state: HostState | None, known: ServiceState | None, as_of: str | None) -> str | None:
    """Why the numbers of an expected service are not complete; C(host) where it is the whole host."""
    if state is None or not state.reachable or (state.reached and as_of and when(as_of) - when(state.reached) > STALE):
        return "host"
    if known is None:
        return "it was never asked for its usage"
    if known.last_seen != state.reached:
        return "it was not among the services that the last gather asked"
    if known.blind:
        problem = known.problems[0] if known.problems else "it gave no total"
        return f"its usage could not be read ({problem}; {known.container})"
    return None


def _counted_until(known: ServiceState | None) -> str:
    if known is None or known.last_good is None:
        return "None of its usage is counted."
    return f"It is counted as of {known.last_good}."


def _host_gap(state: HostState | None, site: str, host: str, names: t.Sequence[str]) -> Finding:
    services = ", ".join(names) or "its services"
    if state is None:
        text = f"{host} was never gathered; nothing of {services} is counted."
    elif not state.reachable:
        text = f"{host} could not be reached on {state.last} ({state.problem}); {services}: " + _known_part(state, names)
    else:
        text = f"{host} was last gathered on {state.last}; {services}: " + _known_part(state, names)
    return _gap(site, host, None, text)


def _known_part(state: HostState, names: t.Sequence[str]) -> str:
    times = sorted({known.last_good for name in names if (known := state.services.get(name)) and known.last_good})
    return f"what is counted is as of {times[0]}." if times else "nothing is counted."


def _gap(site: str, host: str, service: str | None, text: str) -> Finding:
    return {"level": "gap", "kind": "missing", "site": site, "host": host, "service": service, "text": text, "evidence": {}}


def _service_anomaly(site: str, host: str, service: str, problem: str) -> Finding:
    text = f"{service} on {host}: {problem}; the last good number is counted."
    return {"level": "anomaly", "kind": "answer", "site": site, "host": host, "service": service, "text": text, "evidence": {}}
