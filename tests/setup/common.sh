# shellcheck shell=bash
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the scripts of set-up share. Source it; it sets strict mode.

set -euo pipefail
umask 022

SETUP_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CHECKOUT=$(cd "$SETUP_DIR/../.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/airgap-cognitive
# Used by those who source this.
# shellcheck disable=SC2034
BUILD=$CHECKOUT/.build
# shellcheck source=tests/setup/versions.env
. "$SETUP_DIR/versions.env"

# Progress goes to stderr: stdout is for what a caller reads.
say() { printf '%s\n' "set-up: $*" >&2; }
die() { printf '%s\n' "set-up: $*" >&2; exit 1; }

need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null 2>&1 || die "the program $program is missing; run tests/setup/prepare.py first, or install it."
    done
}

# Hash of the words given and of the content of the files given after "--".
hash_of() {
    local word words=() files=()
    while [ $# -gt 0 ]; do
        word=$1
        shift
        if [ "$word" = -- ]; then files=("$@"); break; fi
        words+=("$word")
    done
    { printf '%s\n' "${words[@]}"; [ ${#files[@]} -eq 0 ] || cat "${files[@]}"; } | sha256sum | cut -c1-12
}

# One at a time per machine: the cache and the engine's images are shared by all checkouts. The lock ends with the process, however it ends.
lock() {
    mkdir -p "$CACHE"
    exec {lock_fd}>"$CACHE/$1.lock"
    if ! flock -n "$lock_fd"; then
        say "another set-up holds $CACHE/$1.lock; waiting for it."
        flock "$lock_fd"
    fi
}

image_present() { docker image inspect "$1" >/dev/null 2>&1; }

# The Debian mirror that this machine's own apt uses, or nothing: then debootstrap takes its default.
debian_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -E '/debian/?$' | sort | uniq -c | sort -rn | awk 'NR == 1 {print $2}'
}
