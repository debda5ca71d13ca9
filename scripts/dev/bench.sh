#!/usr/bin/env bash
# ./dev bench [ROW...]: the measurements, on servers of their own: Redis without persistence (as redis_start
# sets it up), Postgres, the simulator, one replica, and a handler that does nothing. All in release build.
# BENCH_SECONDS, BENCH_RUNS and BENCH_SESSIONS change length, number and size for quick trials.
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

# Connections must not expire between runs; wakes are many at once, because each session is woken when seeding.
replica_start() {
    process_start replica env TRACKER_SESSION_WINDOW=1h TRACKER_SWEEPER_WAKES=128 TRACKER_TELEMETRY_LOG=warn \
        TRACKER_HTTP_ADDRESS="127.0.0.1:$(port replica)" \
        TRACKER_HTTP_OPERATIONS_ADDRESS="127.0.0.1:$(port replica-operations)" \
        TRACKER_REDIS_URL="$(redis_url)" TRACKER_POSTGRES_URL="$(postgres_url)" \
        TRACKER_KUBERNETES_URL="http://127.0.0.1:$(port simulator)" TRACKER_KUBERNETES_NAMESPACES=default \
        "$TARGET_DIR/release/connection-tracker" serve
}
replica_ready() { quiet_curl "http://127.0.0.1:$(port replica-operations)/readyz"; }

bench_down() {
    process_stop replica noop simulator
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
    TRACKER_POSTGRES_URL=$(postgres_url) child "$TARGET_DIR/release/connection-tracker" migrate >"$LOG_DIR/migrate.log" 2>&1 || {
        show_log migrate
        fail "the database could not be migrated: put right what the lines above name, then run this again"
    }
    bring_up simulator simulator_start simulator_ready simulator
    bring_up noop noop_start noop_ready noop
    bring_up replica replica_start replica_ready replica replica-operations
    BENCH_REDIS="127.0.0.1:$(port redis)" BENCH_SIMULATOR="127.0.0.1:$(port simulator)" \
        BENCH_API="127.0.0.1:$(port replica)" BENCH_NOOP="127.0.0.1:$(port noop)" \
        child "$LOAD" "$@" >&3 || {
        show_log replica
        fail "the measurement failed: the lines above say at what"
    }
}

command_bench "$@"; exit
