#!/usr/bin/env bash
# ./dev test: all tests, on servers of their own.

# shellcheck source=scripts/dev/throwaway.sh
. "$ROOT/scripts/dev/throwaway.sh"
# shellcheck source=scripts/dev/conformance.sh
. "$ROOT/scripts/dev/conformance.sh"
# shellcheck source=scripts/dev/chart.sh
. "$ROOT/scripts/dev/chart.sh"
# shellcheck source=scripts/dev/container.sh
. "$ROOT/scripts/dev/container.sh"

command_test() {
    local status=0 started
    if [ "${1:-}" = --redis ]; then
        case ${2:-} in
            single | cluster) REDIS_KIND=$2 ;;
            *) fail "--redis is single or cluster" ;;
        esac
        shift 2
    fi
    packages_install
    # Settings for a service of the caller's would become the defaults of those the tests start.
    local variable
    for variable in "${!TRACKER_@}"; do
        case $variable in TRACKER_TEST_*) ;; *) unset "$variable" ;; esac
    done
    throwaway_up
    cargo_build

    local -a runner=(cargo test)
    ! cargo nextest --version >/dev/null 2>&1 || runner=(cargo nextest run)
    # --workspace beside --package would mean everything.
    case " $* " in *" -p "* | *" --package"*) ;; *) runner+=(--workspace) ;; esac
    if [ $# -eq 0 ]; then
        step "compiling the tests"
        child "${runner[@]}" --no-run || fail "the tests do not compile: put right what cargo says above"
    fi
    # Not while compiling: nextest takes the one flag or the other.
    runner+=(--no-fail-fast)
    step "running the tests: ${runner[*]} $*"
    started=$SECONDS
    child "${runner[@]}" "$@" || status=$?
    # nextest does not run the examples in the documentation; with arguments, only what they name is wanted.
    if [ $# -eq 0 ] && [ "${runner[1]}" = nextest ]; then
        step "running the examples in the documentation"
        child cargo test --doc --workspace --quiet || status=$?
    fi
    # Last: it ends nothing that the tests need, and says nothing when they could not even be compiled.
    if [ $# -eq 0 ]; then
        conformance || status=$?
        chart || status=$?
        containers || status=$?
    fi
    tests_skipped
    if [ "$status" -eq 0 ]; then
        say "tests passed in $((SECONDS - started)) s"
    else
        warn "tests failed (exit code $status) after $((SECONDS - started)) s"
    fi
    return "$status"
}

# What was not run, by name, and how to have it run.
SKIPPED=()
tests_skipped() {
    local what
    for what in "${SKIPPED[@]}"; do say "skipped: $what"; done
    [ -n "${TRACKER_TEST_KUBECONFIG:-}" ] || say "skipped: real cluster (TRACKER_TEST_KUBECONFIG is not set)"
}
