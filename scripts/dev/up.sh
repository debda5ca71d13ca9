#!/usr/bin/env bash
# ./dev up: everything running, or what is missing of it; then where to look.

# shellcheck source=scripts/dev/servers.sh
. "$ROOT/scripts/dev/servers.sh"
# shellcheck source=scripts/dev/settings.sh
. "$ROOT/scripts/dev/settings.sh"
# shellcheck source=scripts/dev/parts.sh
. "$ROOT/scripts/dev/parts.sh"
# shellcheck source=scripts/dev/environment.sh
. "$ROOT/scripts/dev/environment.sh"
# shellcheck source=scripts/dev/follow.sh
. "$ROOT/scripts/dev/follow.sh"

command_up() {
    local argument is_detached=no has_demo=yes missing name
    for argument in "$@"; do
        case $argument in
            --detach) is_detached=yes ;;
            --no-demo) has_demo=no ;;
            *) fail "up does not know $argument: it takes --detach and --no-demo" ;;
        esac
    done
    WANTED=()
    for name in "${PARTS[@]}"; do
        [ "$name" = demo ] && [ "$has_demo" = no ] || WANTED+=("$name")
    done
    packages_install
    environment_lock
    state_open "$ENVIRONMENT_DIR"
    settings_load
    missing=$(parts_missing)
    if [ -z "$missing" ] && [ -s "$STATE_DIR/env" ]; then
        say "everything is running already"
        where_to_look
        return 0
    fi
    [ ! -s "$STATE_DIR/env" ] || say "not running any more, started again: $missing"
    on_exit up_undo
    parts_up
    env_write
    on_exit :
    environment_unlock
    where_to_look
    [ "$is_detached" = yes ] || follow
}

parts_missing() {
    local name missing=
    for name in "${WANTED[@]}"; do
        process_alive "$name" || missing="$missing $name"
    done
    printf '%s\n' "${missing# }"
}

# Each step does nothing when its part runs. Servers come before the build: what keeps them from starting shows at once.
parts_up() {
    REDIS_CONFIG="appendonly yes
appendfsync everysec"
    local are_sessions_new=no
    redis_up
    postgres_up
    cargo_build
    step "migrating the database"
    migrate
    process_alive simulator || are_sessions_new=yes
    bring_up simulator simulator_start simulator_ready simulator
    [ "$are_sessions_new" = no ] || simulator_sessions
    bring_up replica-1 replica_start replica_ready replica-1 replica-1-operations
    bring_up replica-2 replica_start replica_ready replica-2 replica-2-operations
    bring_up haproxy haproxy_start haproxy_ready haproxy
    arm
    [[ " ${WANTED[*]} " != *" demo "* ]] || bring_up demo demo_start demo_ready
    local missing
    missing=$(parts_missing)
    [ -z "$missing" ] || {
        show_log "${missing%% *}"
        fail "$missing ended just after the start: put right what the lines above name, then run this again"
    }
}

# An `up` that failed or was interrupted takes back what it started; the logs stay for reading.
up_undo() {
    [ ${#STARTED[@]} -eq 0 ] || step "stopping what was started: ${STARTED[*]}"
    : >"$STATE_DIR/stopping"
    local name index
    for ((index = ${#STARTED[@]} - 1; index >= 0; index--)); do process_stop "${STARTED[index]}"; done
    rm -f "$STATE_DIR/stopping"
    for name in "${PARTS[@]}"; do ! process_alive "$name" || return; done
    # Interrupted, there is nothing to read.
    [ "$1" -lt 128 ] || environment_remove
}

# For scripts: `. .dev/env`. Complete at once, and only when everything is ready.
env_write() {
    local name variable
    {
        printf 'TRACKER_URL=%s\n' "$(api_url)"
        printf 'TRACKER_HEALTH_URLS="%s %s"\n' "$(health_url replica-1)" "$(health_url replica-2)"
        printf 'TRACKER_REDIS_URL=%s\n' "$(redis_url)"
        printf 'TRACKER_POSTGRES_URL=%s\n' "$(postgres_url)"
        printf 'TRACKER_SIMULATOR_URL=%s\n' "$(simulator_url)"
        for name in "${PARTS[@]}"; do
            variable=${name^^}
            printf 'TRACKER_PID_%s=%s\n' "${variable//-/_}" "$(process_pid "$name")"
        done
    } >"$STATE_DIR/env.new"
    mv "$STATE_DIR/env.new" "$STATE_DIR/env"
}

where_to_look() {
    local session="${TRACKER_DEMO_PREFIX}0001"
    cat <<WHERE

  API        curl -s $(api_url)/v1/sessions/$session
             curl -s $(api_url)/v1/sessions/$session/events
  Redis      redis-cli -p $(port redis) --scan --pattern 'ct:*:session:*'
  Postgres   psql $(postgres_url) -c 'SELECT at, session_id, kind, reason FROM session_events ORDER BY at DESC LIMIT 20'
  Platform   curl -s $(simulator_url)/apis/stream.space/v1alpha1/namespaces/default/sessions/$session
  Scripts    . .dev/env
  Logs       ls .dev/log
  Stop       ./dev down

WHERE
}
