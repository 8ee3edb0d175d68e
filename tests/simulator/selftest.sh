#!/bin/sh
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Real containers of the simulator against their contract, on the local engine, on networks of their own.
# Usage: selftest.sh [pytest's arguments]

set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=$here/../../.build/venv/bin/python
[ -x "$python" ] || python=${PYTHON:-python3}
"$python" "$here/build.py" >/dev/null
exec "$python" -m pytest -q -p no:cacheprovider "$here/test_containers.py" "$@"
