#!/usr/bin/env bash
# ./dev bench [--quick] [ROW...]: the measurements, on servers of their own: Redis without persistence (as redis_start
# sets it up), Postgres, the simulator, and a handler that does nothing; the load generator starts the replica, since
# rows want it with different settings. All in release build. --help names the rows and what changes their size.
set -euo pipefail

CALLED_FROM=${CALLED_FROM:-$PWD}
ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
cd "$ROOT"
# Standard output is for the rows alone.
exec 3>&1 1>&2
# shellcheck source=scripts/dev/lib.sh
. scripts/dev/lib.sh
# shellcheck source=scripts/dev/throwaway.sh
. scripts/dev/throwaway.sh

bench_build() {
    cargo_target_dir
    step "building in release mode (the first time takes some minutes)"
    child cargo build --release --workspace --bin connection-tracker --bin connection-tracker-simulator \
        --bench load --message-format json-render-diagnostics >"$LOG_DIR/build" ||
        fail "the build failed: put right what cargo says above, then run this again"
    LOAD=$(sed -n 's/.*"name":"load".*"executable":"\([^"]*\)".*/\1/p' "$LOG_DIR/build")
    [ -x "$LOAD" ] || fail "cargo did not name the load generator it built"
}

simulator_start() {
    # No delays, and room for the events of every session.
    process_start simulator env SIMULATOR_START_MIN_MS=0 SIMULATOR_START_MAX_MS=0 SIMULATOR_LOG_SIZE=2000000 \
        SIMULATOR_LOG=warn "$TARGET_DIR/release/connection-tracker-simulator" --address "127.0.0.1:$(port simulator)"
}
simulator_ready() { quiet_curl "http://127.0.0.1:$(port simulator)/simulator/stats"; }

noop_start() { process_start noop "$LOAD" --serve-noop "127.0.0.1:$(port noop)"; }
noop_ready() { quiet_curl --request POST "http://127.0.0.1:$(port noop)/v1/sessions/a/connections/b/heartbeat"; }

bench_down() {
    process_stop noop simulator
    throwaway_down
}

command_bench() {
    packages_install
    # Settings of the caller's own service would change what is measured.
    local variable
    for variable in "${!TRACKER_@}" "${!SIMULATOR_@}"; do unset "$variable"; done
    throwaway_up
    on_exit bench_down
    bench_build
    case " $* " in *" --help "* | *" -h "*)
        "$LOAD" --help >&3
        return
        ;;
    esac
    bring_up simulator simulator_start simulator_ready simulator
    bring_up noop noop_start noop_ready noop
    : >"$LOG_DIR/replica.log"
    BENCH_SERVICE="$TARGET_DIR/release/connection-tracker" BENCH_LOG="$LOG_DIR/replica.log" \
        BENCH_REDIS="127.0.0.1:$(port redis)" BENCH_SIMULATOR="127.0.0.1:$(port simulator)" \
        BENCH_NOOP="127.0.0.1:$(port noop)" BENCH_POSTGRES="postgres://tracker@127.0.0.1:$(port postgres)/" \
        BENCH_POSTGRES_PID="$(process_pid postgres)" child "$LOAD" "$@" >&3 || {
        show_log replica
        fail "the measurement failed: the lines above say at what"
    }
}

command_bench "$@"; exit
