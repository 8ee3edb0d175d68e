# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulator is no part of the collection: pytest.ini says where its sources are."""

from __future__ import annotations

import threading
import typing as t

import pytest
from billing import __main__ as billing
from billing.resources import Resource
from positions import SwitchesAt
from simulator.switches import Switches


@pytest.fixture
def switches() -> SwitchesAt:
    """Switches at the given positions, the prefix left out."""
    return lambda **positions: Switches({f"SIM_{name}": str(value) for name, value in positions.items()})


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[str]:
    """A billing endpoint over HTTP that knows the key C(good) for sentiment."""
    monkeypatch.setattr(billing, "read_resources", lambda path: [Resource("127.0.0.1", "", "good", ("sentiment",), days=1)])
    server = billing.Server(("127.0.0.1", 0), billing.Connection)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()
