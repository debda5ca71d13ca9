#!/usr/bin/env bash
# Redis and Postgres for one run of the tests or of the measurements, gone with it.
# Usage: source scripts/dev/lib.sh, then this; call throwaway_up. They are stopped when the script ends, however it does.

# shellcheck source=scripts/dev/servers.sh
. "$ROOT/scripts/dev/servers.sh"

# Exports TRACKER_TEST_REDIS_URL and TRACKER_TEST_POSTGRES_URL. A caller may add lines to
# REDIS_CONFIG and POSTGRES_CONFIG before.
throwaway_up() {
    state_open "$(mktemp -d "${TMPDIR:-/tmp}/connection-tracker-test.XXXXXX")"
    # Postgres' user passes through it.
    chmod 711 "$STATE_DIR"
    on_exit throwaway_down
    REDIS_CONFIG="appendonly no
$REDIS_CONFIG"
    # Every test has a database of its own and some run more than one service; nothing survives, so nothing is synced.
    POSTGRES_CONFIG="max_connections = 300
fsync = off
synchronous_commit = off
full_page_writes = off
$POSTGRES_CONFIG"
    redis_up
    postgres_up
    TRACKER_TEST_REDIS_URL=$(redis_url)
    TRACKER_TEST_POSTGRES_URL=$(postgres_url)
    export TRACKER_TEST_REDIS_URL TRACKER_TEST_POSTGRES_URL
}

throwaway_down() {
    process_stop "${REDIS_NODES[@]}" postgres
    postgres_remove
    rm -rf "$STATE_DIR"
}
