# SPDX-License-Identifier: Apache-2.0
#
# steps.sh - what ./check and ./demo share: one line a step, Debian packages, npm.
#
# Sourced by them from the root of the project. Every step writes its whole
# output to a log under build/log; on failure the end of that log is shown.

# Debian 12 packages, one list per purpose. Nothing else names packages.
packages_build=(
    ca-certificates cmake g++ gcc git ninja-build pkgconf
    libdeflate-dev        # gzip and zip members
    libdraco-dev          # mesh compression
    libgnutls28-dev       # keys, tokens, TLS of the server
    libglu1-mesa-dev      # the second triangulator, where ear clipping is not enough
    libjpeg-dev           # pictures of facades
    libmeshoptimizer-dev  # edge collapse
    libmicrohttpd-dev     # the server's HTTP
    libpng-dev            # pictures of facades
    libproj-dev proj-data # coordinate systems and their grids
    libsqlite3-dev        # features.gpkg
    libtiff-dev           # pictures of facades
    libwebp-dev           # pictures of facades
    libxml2-dev           # CityGML
    libxxhash-dev         # digests
    libzstd-dev           # archive members, the spool
    zlib1g-dev            # compressed input as a stream
)
packages_test=(
    clang-14 clang-format-14 libclang-rt-14-dev # the fuzz preset, the format
    clang                                       # the preset asks for it by this name
    libcmocka-dev                               # unit tests
    proj-bin                                    # cs2cs judges coordinates
    chromium                                    # CesiumJS and three.js in a real browser
    nginx openssl                               # storeyd behind a real proxy
    gdal-bin                                    # judges features.gpkg
    curl gzip time unzip zip
)

steps_started=$SECONDS
steps_log=build/log
mkdir -p "$steps_log"

# Ends with one sentence that says what to do.
fail() {
    printf '\n%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# step NAME COMMAND...: runs it, says how long it took. Returns its status.
step() {
    local name=$1 log=$steps_log/${1//[^A-Za-z0-9._-]/_}.log from=$SECONDS status=0
    shift
    printf '  %-46s ' "$name"
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if [ $status -eq 0 ]; then
        printf '%4d s\n' $((SECONDS - from))
    else
        printf '%4d s  FAILED (%s)\n' $((SECONDS - from)) "$log"
        tail -n "${STEP_TAIL:-40}" "$log" | sed 's/^/      /' >&2
    fi
    return $status
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        return 1
    fi
}

apt_install() {
    as_root apt-get update &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# install_packages NAME...: by apt, only when something is missing.
install_packages() {
    local missing=() name
    command -v dpkg-query >/dev/null ||
        fail "this is not Debian: install the counterparts of these packages, then build by hand (README): $*"
    for name in "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
    done
    # A node that did not come from Debian is as good.
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
        fail "these packages are missing and only root can install them: apt-get install --no-install-recommends ${missing[*]}"
    step "apt: ${#missing[@]} packages" apt_install "${missing[@]}" ||
        fail "apt could not install ${missing[*]}; see $steps_log, mend the sources of apt or the network, and run this again"
}

# install_npm viewer|all: what package-lock.json names, only when it changed.
# Install scripts stay off: nothing here needs one.
install_npm() {
    local digest stamp=node_modules/.installed have='' omit=()
    digest=$(sha256sum package-lock.json | cut -d' ' -f1)
    [ ! -f $stamp ] || have=$(cat $stamp)
    [ "$have" != "all $digest" ] || return 0
    if [ "$1" = viewer ]; then
        [ "$have" != "viewer $digest" ] || return 0
        omit=(--omit=dev)
    fi
    step "npm: packages for $1" npm ci --ignore-scripts --no-audit --no-fund "${omit[@]}" ||
        fail "npm could not install what package-lock.json names; see $steps_log, mend the network or the registry, and run this again"
    echo "$1 $digest" >$stamp
}

# build PRESET [TARGET...]
build() {
    local preset=$1 targets=()
    shift
    [ $# -eq 0 ] || targets=(--target "$@")
    if command -v ccache >/dev/null; then
        export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
    fi
    step "$preset: configure" cmake --preset "$preset" -G Ninja &&
        step "$preset: build" cmake --build --preset "$preset" -j "$(nproc)" "${targets[@]}"
}
