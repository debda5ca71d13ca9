#!/usr/bin/env bash
# System packages of Debian and Ubuntu: which are missing, and installing them.

# Older ones lack hash-max-listpack-value and what our scripts use.
REDIS_OLDEST=7

# The newest Postgres of the machine; empty when there is none.
postgres_bin() {
    local directory newest=
    for directory in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V); do
        [ ! -x "$directory/postgres" ] || [ ! -x "$directory/initdb" ] || newest=$directory
    done
    if [ -z "$newest" ] && command -v postgres >/dev/null && command -v initdb >/dev/null; then
        newest=$(dirname "$(command -v postgres)")
    fi
    printf '%s\n' "$newest"
}

packages_missing() {
    command -v redis-server >/dev/null || printf 'redis-server\n'
    command -v redis-cli >/dev/null || printf 'redis-tools\n'
    [ -n "$(postgres_bin)" ] || printf 'postgresql\n'
    command -v haproxy >/dev/null || printf 'haproxy\n'
    command -v curl >/dev/null || printf 'curl\n'
    # Rust links with it, and two of the dependencies compile C.
    command -v cc >/dev/null || printf 'build-essential\n'
    # Only for the check of the API against its document; Debian keeps what makes virtual environments apart.
    python3 -c 'import ensurepip, venv' 2>/dev/null || printf 'python3-venv\n'
}

# Installs what is missing; asks for nothing when nothing is.
packages_install() {
    local -a missing
    [ "$(uname -s)" = Linux ] ||
        fail "./dev needs Linux with Debian's or Ubuntu's packages: use a virtual machine or a container of one"
    mapfile -t missing < <(packages_missing)
    if [ ${#missing[@]} -gt 0 ]; then
        command -v apt-get >/dev/null ||
            fail "this machine has no apt-get: install ${missing[*]} with its own package manager, then run this again"
        step "installing ${missing[*]}"
        as_root apt_install "${missing[@]}"
        mapfile -t missing < <(packages_missing)
        [ ${#missing[@]} -eq 0 ] ||
            fail "apt-get did not bring ${missing[*]}: install them by hand, then run this again"
    fi
    local version
    version=$(redis-server --version | sed -n 's/.* v=\([0-9]*\)\..*/\1/p')
    [ "${version:-0}" -ge "$REDIS_OLDEST" ] ||
        fail "redis-server of this machine is version ${version:-unknown}: install version $REDIS_OLDEST or newer"
    command -v cargo >/dev/null ||
        fail "there is no cargo on the PATH of $(id -un): install Rust with rustup, then run this again"
}

# as_root FUNCTION ARGUMENT...: the function in a shell of root, with sudo where that is needed.
as_root() {
    local body
    body="set -eu; $(declare -f "$1"); \"\$@\""
    if [ "$EUID" -eq 0 ]; then
        bash -c "$body" as_root "$@"
    elif ! command -v sudo >/dev/null; then
        fail "$(id -un) may not install packages and there is no sudo: as root run 'apt-get install ${*:2}'"
    elif sudo -n true 2>/dev/null; then
        sudo -n bash -c "$body" as_root "$@"
    elif [ -t 0 ]; then
        sudo bash -c "$body" as_root "$@"
    else
        fail "sudo wants a password and there is no terminal to ask on: as root run 'apt-get install ${*:2}'"
    fi || fail "installing ${*:2} failed: put right what apt-get says above, then run this again"
}

# Runs as root, alone: it knows no other function. The packages would start servers of their own on
# the usual ports; the standard way to prevent that is a policy-rc.d that says no.
apt_install() {
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update || printf 'dev: the package lists could not be renewed; trying with the old ones\n' >&2
    apt-get -q install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"
}
