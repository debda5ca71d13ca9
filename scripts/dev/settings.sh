#!/usr/bin/env bash
# Settings of the running service: short times for the demo, unless the caller gives others, and kept as long
# as a replica runs, so that one which is started again has the settings of the other.

settings_defaults() {
    # A session sleeps 10 s after its last connection; one that vanished counts for 8 s.
    : "${TRACKER_SESSION_HEARTBEAT_INTERVAL:=2s}"
    : "${TRACKER_SESSION_WINDOW:=8s}"
    : "${TRACKER_SESSION_IDLE_TIMEOUT:=10s}"
    # The demo users leave all the time: the brake would take their sessions for a failure.
    : "${TRACKER_BRAKE_HIBERNATIONS_PER_MINUTE:=120}"
    # Colourless lines for people: the log is a file here, which would mean JSON.
    : "${TRACKER_TELEMETRY_FORMAT:=text}"
    : "${TRACKER_DEMO_PREFIX:=demo-}"
    : "${TRACKER_DEMO_SESSIONS:=24}"
    # The whole definition would give each session an idle timeout of 30 minutes, which beats the one above.
    : "${SIMULATOR_SCHEMA:=open}"
    # Long enough to see a session wake, short enough not to wait for it.
    : "${SIMULATOR_START_MIN_MS:=1000}"
    : "${SIMULATOR_START_MAX_MS:=3000}"
    : "${SIMULATOR_STOP_MIN_MS:=800}"
    : "${SIMULATOR_STOP_MAX_MS:=1200}"
    local name
    while read -r name; do export "${name?}"; done < <(settings_names)
}

# The variables that are settings; not the addresses, which are ours to choose, nor what we write to .dev/env.
settings_names() {
    local name
    for name in "${!TRACKER_@}" "${!SIMULATOR_@}"; do
        case $name in
            TRACKER_TEST_* | TRACKER_PID_* | TRACKER_URL | TRACKER_HEALTH_URLS | TRACKER_SIMULATOR_URL) ;;
            TRACKER_HTTP_ADDRESS | TRACKER_HTTP_OPERATIONS_ADDRESS | TRACKER_REDIS_URL | TRACKER_POSTGRES_URL) ;;
            TRACKER_KUBERNETES_URL | TRACKER_KUBERNETES_KUBECONFIG | TRACKER_KUBERNETES_NAMESPACES) ;;
            TRACKER_DEMO_URL | SIMULATOR_ADDRESS) ;;
            *) printf '%s\n' "$name" ;;
        esac
    done
}

settings_print() {
    local name
    while read -r name; do printf '%s=%s\n' "$name" "${!name}"; done < <(settings_names)
}

# settings_load: those of the replicas that run, else the caller's and the defaults.
settings_load() {
    local file=$STATE_DIR/settings given name line
    given=$(settings_print)
    if [ -s "$file" ] && { process_alive replica-1 || process_alive replica-2; }; then
        # Only what the caller gives can differ: the defaults are not in it yet.
        while read -r line; do
            [ -z "$line" ] || grep -qxF -e "$line" "$file" ||
                warn "$line is not in force: the replicas keep the settings they were started with until ./dev down"
        done <<<"$given"
        while read -r name; do unset "$name"; done < <(settings_names)
        while read -r line; do export "${line?}"; done <"$file"
    else
        settings_defaults
        settings_print >"$file"
    fi
}
