#!/usr/bin/env bash
# Building with cargo, and where the results are.

# Where cargo puts what it builds, whatever variable or configuration file says so.
cargo_target_dir() {
    # A relative CARGO_TARGET_DIR is meant from where ./dev was called.
    case ${CARGO_TARGET_DIR:-/} in
        /*) ;;
        *) export CARGO_TARGET_DIR="$CALLED_FROM/$CARGO_TARGET_DIR" ;;
    esac
    TARGET_DIR=$(cargo metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    [ -n "$TARGET_DIR" ] || fail "cargo could not read the workspace: put right what it says above"
}

# The service, the simulator and the demo gateway, in $TARGET_DIR/debug. One call for all three: cargo
# chooses the features of dependencies per call, and would compile some of them twice otherwise.
cargo_build() {
    cargo_target_dir
    step "building (the first time takes some minutes)"
    child cargo build --workspace --bin connection-tracker --bin connection-tracker-simulator --example demo_gateway ||
        fail "the build failed: put right what cargo says above, then run this again"
}
