#!/usr/bin/env bash
# ./dev install: only the system packages.

command_install() {
    [ $# -eq 0 ] || fail "install takes no arguments, but was given: $*"
    packages_install
    say "all system packages are there"
}
