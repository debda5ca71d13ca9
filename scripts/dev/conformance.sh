#!/usr/bin/env bash
# Whether the API does what its own document says: schemathesis makes up requests from the served OpenAPI document
# and judges every answer. Part of ./dev test; uses the servers of scripts/dev/throwaway.sh.

# shellcheck source=scripts/dev/parts.sh
. "$ROOT/scripts/dev/parts.sh"

# Pinned: another version asks other questions of the same seed.
SCHEMATHESIS=4.32.5
CONFORMANCE_TOKEN=conformance-0123456789abcdef

# Runs it; where it cannot be had, says so by name. In CI that is a failure.
conformance() {
    local why
    # A virtual environment beside what cargo builds, so that it outlives one run.
    SCHEMATHESIS_BIN=$TARGET_DIR/schemathesis-$SCHEMATHESIS/bin
    if ! why=$(conformance_install); then
        [ -z "${CI:-}" ] || fail "schemathesis is needed in CI: $why"
        SKIPPED+=("schemathesis ($why)")
        return 0
    fi
    step "asking the API what its document promises: schemathesis $SCHEMATHESIS"
    on_exit conformance_down
    conformance_up
    local status=0
    # Everybody may ask everything, and every parameter is made up: mostly strangers' ids and wrong input.
    conformance_run open strangers || status=1
    # With a token, in sessions that exist: what is accepted, and that nobody is let in without one.
    conformance_run guarded known --header "Authorization: Bearer $CONFORMANCE_TOKEN" || status=1
    conformance_stop
    return "$status"
}

# Prints why it cannot be had.
conformance_install() {
    [ ! -x "$SCHEMATHESIS_BIN/schemathesis" ] || return 0
    python3 -m venv "${SCHEMATHESIS_BIN%/bin}" >"$LOG_DIR/conformance-install.log" 2>&1 || {
        echo "python3 cannot make a virtual environment"
        return 1
    }
    "$SCHEMATHESIS_BIN/pip" install --quiet --disable-pip-version-check --retries 1 --timeout 15 \
        "schemathesis==$SCHEMATHESIS" >>"$LOG_DIR/conformance-install.log" 2>&1 || {
        rm -rf "${SCHEMATHESIS_BIN%/bin}"
        echo "pip could not install it"
        return 1
    }
}

conformance_simulator() {
    process_start simulator env SIMULATOR_START_MIN_MS=0 SIMULATOR_START_MAX_MS=0 SIMULATOR_STOP_MIN_MS=0 \
        SIMULATOR_STOP_MAX_MS=0 "$TARGET_DIR/debug/connection-tracker-simulator" --address "127.0.0.1:$(port simulator)"
}

# conformance_replica NAME [SETTING=VALUE...]
conformance_replica() {
    local name=$1
    shift
    process_start "$name" env TRACKER_HTTP_ADDRESS="127.0.0.1:$(port "$name")" \
        TRACKER_HTTP_OPERATIONS_ADDRESS="127.0.0.1:$(port "$name-operations")" \
        TRACKER_REDIS_URL="$(redis_url)" TRACKER_POSTGRES_URL="$(postgres_url)" \
        TRACKER_KUBERNETES_URL="$(simulator_url)" TRACKER_KUBERNETES_NAMESPACES=default "$@" \
        "$TARGET_DIR/debug/connection-tracker" serve
}

open_start() { conformance_replica open; }
guarded_start() { conformance_replica guarded TRACKER_AUTH_TOKENS_FILE="$STATE_DIR/tokens"; }

conformance_up() {
    local name digest
    bring_up simulator conformance_simulator simulator_ready simulator
    migrate
    digest=$(printf %s "$CONFORMANCE_TOKEN" | sha256sum | cut -d ' ' -f 1)
    printf 'client=conformance roles=gateway,reader,operator scope=all sha256=%s\n' "$digest" >"$STATE_DIR/tokens"
    bring_up open open_start replica_ready open open-operations
    bring_up guarded guarded_start replica_ready guarded guarded-operations
    # Sessions that the second run knows, one with somebody in it.
    TRACKER_DEMO_PREFIX=known- TRACKER_DEMO_SESSIONS=3 simulator_sessions
    for name in known-0001 known-0002; do
        curl --silent --fail --noproxy '*' --output /dev/null --request PUT --header 'content-type: application/json' \
            --data '{"user_id": "ann"}' "http://127.0.0.1:$(port open)/v1/sessions/$name/connections/c-1" ||
            fail "the session $name could not be opened for schemathesis"
    done
}

# conformance_run REPLICA CONFIG [ARGUMENT...]
conformance_run() {
    local replica=$1 config=$ROOT/scripts/dev/conformance-$2.toml
    shift 2
    # What it writes goes with the servers.
    child env -C "$STATE_DIR" "$SCHEMATHESIS_BIN/schemathesis" --config-file "$config" run "$@" \
        "http://127.0.0.1:$(port "$replica")/openapi.json"
}

conformance_stop() { process_stop open guarded simulator; }
conformance_down() {
    conformance_stop
    throwaway_down
}
