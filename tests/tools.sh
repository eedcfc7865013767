#!/usr/bin/env bash
# Sees to it that every tool the tests call is there, and fails with a clear line for each that is not.
#
# Debian packages are installed only with root's rights (as root, or where sudo asks for no password). Everything else goes under
# target/tools: a Python environment in venv/, another for the Autobahn test suite in autobahn/, packages of Node in node/ and those of
# Socket.IO in socketio/, programs built by cargo in bin/. A second run finds them there and takes a second.
# The folder may be put elsewhere with WIRELINE_TOOLS.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=${WIRELINE_TOOLS:-${CARGO_TARGET_DIR:-$PWD/target}/tools}
mkdir -p "$tools/bin"
tools=$(cd "$tools" && pwd)
export PATH="$tools/venv/bin:$tools/bin:$PATH:/usr/local/sbin:/usr/sbin"

OHA_VERSION=1.16.0
# The WebSocket client and server that most of Node uses; it needs no other package.
WS_VERSION=8.23.0

declare -a missing=()
# Debian packages that are still not there when it has tried.
declare -a lacking=()

main() {
    debian_packages
    python_environment
    autobahn_environment
    node_packages
    socketio_packages
    cargo_programs
    if ((${#missing[@]})); then
        printf '\n'
        printf 'missing: %s\n' "${missing[@]}"
        if ((${#lacking[@]})); then
            printf 'as root, on Debian or Ubuntu: apt-get install %s\n' "$(printf '%s\n' "${lacking[@]}" | sort -u | paste -sd ' ')"
        fi
        printf 'tests that need none of these: cargo test -p wireline --all-features --lib\n'
        exit 1
    fi
    report
}

# Program, Debian package.
declare -A packages=(
    [curl]=curl
    [wrk]=wrk
    [nghttp]=nghttp2-client
    [h2load]=nghttp2-client
    [nginx]=nginx-light
    [haproxy]=haproxy
    [node]=nodejs
    [npm]=npm
    [openssl]=openssl
    [chromium]=chromium
    [python3]=python3
    [valgrind]=valgrind
    [redis-server]=redis-server
    [redis-cli]=redis-tools
    [nats-server]=nats-server
    [pkg-config]=pkg-config
    [systemd-socket-activate]=systemd
)

debian_packages() {
    local program
    local -a wanted=()
    for program in "${!packages[@]}"; do
        command -v "$program" >/dev/null || wanted+=("${packages[$program]}")
    done
    # venv needs ensurepip, which Debian splits off.
    python3 -c 'import ensurepip, venv' 2>/dev/null || wanted+=(python3-venv python3-pip)
    # What rust_socketio is linked with.
    pkg-config --exists openssl 2>/dev/null || wanted+=(libssl-dev)

    if ((${#wanted[@]})); then
        printf 'installing Debian packages: %s\n' "${wanted[*]}"
        install_packages "${wanted[@]}" || true
    fi

    for program in "${!packages[@]}"; do
        command -v "$program" >/dev/null || lacks "$program" "${packages[$program]}"
    done
    python3 -c 'import ensurepip, venv' 2>/dev/null || lacks "Python's venv and ensurepip" python3-venv python3-pip
    pkg-config --exists openssl 2>/dev/null || lacks 'the headers of OpenSSL' libssl-dev
}

# lacks WHAT PACKAGE...
lacks() {
    missing+=("$1 (Debian: ${*:2}); install and run again")
    lacking+=("${@:2}")
}

install_packages() {
    local -a as_root=()
    if ! command -v apt-get >/dev/null; then
        echo 'this system has no apt-get'
        return 1
    elif [ "$(id -u)" != 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            echo 'neither root nor a sudo that asks for no password'
            return 1
        fi
        as_root=(sudo -n)
    fi
    # No service is started: the tests start nginx, Redis and NATS themselves, on ports of their own.
    (
        local policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            trap '"${as_root[@]}" rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" install -m 755 /dev/stdin "$policy"
        fi
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
            "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get -qq install -y --no-install-recommends "$@"
    )
}

python_environment() {
    local stamp=$tools/venv/requirements.txt
    if [ -x "$tools/venv/bin/python3" ] && cmp -s tests/requirements.txt "$stamp"; then
        return
    fi
    python3 -c 'import ensurepip, venv' 2>/dev/null || return 0
    echo 'building the Python environment'
    rm -rf "$tools/venv"
    # Bash remembers where python3 was found, which may have been in there.
    hash -r
    if python3 -m venv "$tools/venv" &&
        "$tools/venv/bin/python3" -m pip install --quiet --requirement tests/requirements.txt; then
        cp tests/requirements.txt "$stamp"
        hash -r
    else
        missing+=('the Python packages of tests/requirements.txt; pip says why above')
    fi
}

autobahn_environment() {
    command -v python3 >/dev/null || return 0
    bash tests/autobahn/setup.sh "$tools/autobahn" ||
        missing+=('the Autobahn test suite; pip says why above')
}

node_packages() {
    command -v npm >/dev/null || return 0
    [ "$(ws_version)" = "$WS_VERSION" ] && return
    echo "installing ws $WS_VERSION for Node"
    mkdir -p "$tools/node"
    npm install --silent --no-package-lock --no-audit --no-fund --prefix "$tools/node" "ws@$WS_VERSION" ||
        missing+=("Node's package ws; npm says why above")
}

ws_version() {
    NODE_PATH=$tools/node/node_modules node --print 'require("ws/package.json").version' 2>/dev/null || true
}

# Of Node as well, but many, and so with a lock file.
socketio_packages() {
    command -v npm >/dev/null || return 0
    local place=$tools/socketio stamp=$tools/socketio/installed.json
    cmp -s tests/socketio/node/package-lock.json "$stamp" && return
    echo 'installing the Socket.IO packages of tests/socketio/node'
    mkdir -p "$place"
    cp tests/socketio/node/package.json tests/socketio/node/package-lock.json "$place/"
    if npm ci --silent --ignore-scripts --no-audit --no-fund --prefix "$place"; then
        cp tests/socketio/node/package-lock.json "$stamp"
    else
        missing+=('the packages of tests/socketio/node/package.json; npm says why above')
    fi
}

socketio_version() {
    NODE_PATH=$tools/socketio/node_modules node --print "require('$1/package.json').version" 2>/dev/null || true
}

cargo_programs() {
    command -v oha >/dev/null && return
    echo "building oha $OHA_VERSION"
    # A target folder of its own keeps a stopped build for the next run. oha's release profile makes one piece of all crates, which takes
    # minutes; the tests do not need it that fast.
    if CARGO_TARGET_DIR=$tools/build CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        cargo install oha --version "$OHA_VERSION" --locked --root "$tools" --quiet; then
        rm -rf "$tools/build"
    else
        missing+=("oha; cargo says why above, or put any recent oha into PATH")
    fi
}

report() {
    printf 'cargo     %s\n' "$(cargo --version)"
    printf 'curl      %s\n' "$(curl --version | head -n 1)"
    printf 'wrk       %s\n' "$(wrk --version 2>&1 | head -n 1)"
    printf 'nghttp2   %s\n' "$(nghttp --version)"
    printf 'nginx     %s\n' "$(nginx -v 2>&1)"
    printf 'node      %s\n' "$(node --version)"
    printf 'ws        %s\n' "$(ws_version)"
    printf 'socket.io %s, its client %s\n' "$(socketio_version socket.io)" "$(socketio_version socket.io-client)"
    printf 'chromium  %s\n' "$(chromium --version 2>/dev/null)"
    printf 'python3   %s with %s\n' "$(python3 --version)" "$(python3 -m pip freeze | paste -sd ' ')"
    printf 'autobahn  %s\n' "$("$tools/autobahn/bin/wstest" --autobahnversion 2>/dev/null | paste -sd ' ')"
    printf 'valgrind  %s\n' "$(valgrind --version)"
    printf 'oha       %s\n' "$(oha --version)"
    printf 'redis     %s\n' "$(redis-server --version)"
    printf 'nats      %s\n' "$(nats-server --version)"
}

main
