#!/usr/bin/env bash
# ./dev chaos: the fault harness, on servers of its own.

# shellcheck source=scripts/dev/throwaway.sh
. "$ROOT/scripts/dev/throwaway.sh"

command_chaos() {
    packages_install
    # Settings of the caller's own service would change what is judged.
    local variable
    for variable in "${!TRACKER_@}" "${!SIMULATOR_@}"; do unset "$variable"; done
    unset FAILPOINTS
    throwaway_up
    cargo_target_dir
    step "building the service with crash points, and the harness"
    child cargo build --package connection-tracker --bin connection-tracker --features failpoints ||
        fail "the build failed: put right what cargo says above, then run this again"
    child cargo build --package connection-tracker-chaos ||
        fail "the build failed: put right what cargo says above, then run this again"
    child "$TARGET_DIR/debug/connection-tracker-chaos" --binary "$TARGET_DIR/debug/connection-tracker" "$@"
}
