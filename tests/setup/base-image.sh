#!/usr/bin/env bash
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: base-image.sh [SUITE [PACKAGE,...]]
# Makes sure that the engine holds a small Debian with Python, made by debootstrap because no image registry answers,
# and prints its tag. The tag is a hash of what goes in: a second call builds nothing.

# shellcheck source=tests/setup/common.sh
. "$(dirname "$0")/common.sh"

suite=${1:-$BASE_SUITE}
packages=${2:-python3}
tag=airgap-cognitive/base:$suite-$(hash_of "$suite" "$packages" -- "$0")

need docker
docker info >/dev/null 2>&1 || die "no Docker Engine answers; run tests/setup/prepare.py first, or start it."
if image_present "$tag"; then
    echo "$tag"
    exit 0
fi

[ "$(id -u)" = 0 ] || die "building $tag needs root, because debootstrap does; run it as root once."
need debootstrap unshare flock
lock images
if image_present "$tag"; then
    echo "$tag"
    exit 0
fi

# What an earlier, killed run left. Its mounts ended with its mount namespace, so there is nothing below but files.
rm -rf --one-file-system "$CACHE"/rootfs.*
rootfs=$(mktemp -d "$CACHE/rootfs.XXXXXX")
trap 'rm -rf --one-file-system "$rootfs"' EXIT
chmod 755 "$rootfs"

mirror=$(debian_mirror)
say "building $tag by debootstrap (about a minute, once)."
# dpkg reads this before it unpacks the first package, so documentation and translations never arrive.
mkdir -p "$rootfs/etc/dpkg/dpkg.cfg.d"
cat >"$rootfs/etc/dpkg/dpkg.cfg.d/trim" <<'TRIM'
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/i18n/*
path-exclude=/usr/share/lintian/*
TRIM
arguments=(--variant=minbase --include="$packages" "$suite" "$rootfs")
[ -z "$mirror" ] || arguments+=("$mirror")
if ! unshare --mount debootstrap "${arguments[@]}" >"$CACHE/debootstrap.log" 2>&1; then
    tail -n 5 "$CACHE/debootstrap.log" >&2
    die "debootstrap of $suite failed (whole log: $CACHE/debootstrap.log); check that this machine's apt mirror answers."
fi
rm -rf "$rootfs"/var/cache/apt/* "$rootfs"/var/lib/apt/lists/* "$rootfs"/var/log/* "$rootfs"/usr/share/{man,info,locale,i18n,lintian}/* \
    "$rootfs"/debootstrap "$rootfs"/tmp/*
find "$rootfs/usr/share/doc" -type f ! -name copyright -delete
find "$rootfs/usr" -depth -name __pycache__ -type d -exec rm -rf {} +
# Services must not start while packages are installed on top of this image.
printf '#!/bin/sh\nexit 101\n' >"$rootfs/usr/sbin/policy-rc.d"
chmod 755 "$rootfs/usr/sbin/policy-rc.d"
: >"$rootfs/etc/machine-id"
: >"$rootfs/etc/resolv.conf"

# Tagged only when whole: a broken import leaves at most an image without a name.
image=$(tar -C "$rootfs" --numeric-owner --one-file-system -c . | docker import --change 'CMD ["python3"]' --change 'ENV LANG=C.UTF-8' -)
docker tag "$image" "$tag"
echo "$tag"
