#!/usr/bin/env bash
# What `up` starts beside Redis and Postgres: the simulator with its sessions, the replicas, haproxy, the demo
# gateway. Each part has a function that starts it and one that says whether it answers.

simulator_url() { printf 'http://127.0.0.1:%s\n' "$(port simulator)"; }
api_url() { printf 'http://127.0.0.1:%s\n' "$(port haproxy)"; }
health_url() { printf 'http://127.0.0.1:%s/readyz\n' "$(port "$1-operations")"; }

simulator_start() {
    process_start simulator "$TARGET_DIR/debug/connection-tracker-simulator" --address "127.0.0.1:$(port simulator)"
}
simulator_ready() { quiet_curl "$(simulator_url)/simulator/stats"; }

# The sessions the demo users visit. The simulator keeps them in memory only.
simulator_sessions() {
    local number name status
    for ((number = 1; number <= TRACKER_DEMO_SESSIONS; number++)); do
        printf -v name '%s%04d' "$TRACKER_DEMO_PREFIX" "$number"
        status=$(curl --silent --noproxy '*' --max-time 5 --output "$LOG_DIR/answer" --write-out '%{http_code}' \
            --header 'content-type: application/json' --data "{
                \"apiVersion\": \"stream.space/v1alpha1\", \"kind\": \"Session\",
                \"metadata\": {\"name\": \"$name\"},
                \"spec\": {\"user\": \"demo\", \"template\": \"desktop\", \"state\": \"running\"}}" \
            "$(simulator_url)/apis/stream.space/v1alpha1/namespaces/default/sessions") || true
        case $status in
            # 409: it is there already.
            201 | 409) ;;
            *) fail "the simulator would not make session $name ($status): $(cat "$LOG_DIR/answer")" ;;
        esac
    done
}

migrate() {
    TRACKER_POSTGRES_URL=$(postgres_url) child "$TARGET_DIR/debug/connection-tracker" migrate >>"$LOG_DIR/migrate.log" 2>&1 || {
        show_log migrate
        fail "the database could not be migrated: put right what the lines above name, then run this again"
    }
}

replica_start() {
    process_start "$1" env \
        TRACKER_HTTP_ADDRESS="127.0.0.1:$(port "$1")" \
        TRACKER_HTTP_OPERATIONS_ADDRESS="127.0.0.1:$(port "$1-operations")" \
        TRACKER_REDIS_URL="$(redis_url)" \
        TRACKER_POSTGRES_URL="$(postgres_url)" \
        TRACKER_KUBERNETES_URL="$(simulator_url)" \
        TRACKER_KUBERNETES_NAMESPACES=default \
        "$TARGET_DIR/debug/connection-tracker" serve
}
replica_ready() { quiet_curl "$(health_url "$1")"; }

haproxy_start() {
    local files maxconn=4000
    # A request takes two files; haproxy refuses to start when its limit is too low.
    files=$(ulimit -Hn)
    [ "$files" = unlimited ] || [ "$files" -ge 8200 ] || maxconn=$(((files - 100) / 2))
    sed -e "s/@MAXCONN@/$maxconn/" -e "s/@PORT@/$(port haproxy)/" \
        -e "s/@REPLICA_1@/$(port replica-1)/" -e "s/@REPLICA_1_OPERATIONS@/$(port replica-1-operations)/" \
        -e "s/@REPLICA_2@/$(port replica-2)/" -e "s/@REPLICA_2_OPERATIONS@/$(port replica-2-operations)/" \
        scripts/dev/haproxy.cfg >"$STATE_DIR/haproxy.cfg"
    process_start haproxy haproxy -db -f "$STATE_DIR/haproxy.cfg"
}
# A check of a replica may just have failed: what counts is an answer from behind it.
haproxy_ready() { quiet_curl "$(api_url)/v1/admin/mode"; }

# A fresh installation only observes. Once per environment: who switches it back afterwards keeps what they chose.
arm() {
    [ ! -e "$STATE_DIR/armed" ] || return 0
    step "arming the service: it may put sessions to sleep"
    wait_until 30 arm_once ||
        fail "the service would not be armed (POST $(api_url)/v1/admin/mode): $(cat "$LOG_DIR/answer" 2>/dev/null)"
    : >"$STATE_DIR/armed"
}
arm_once() {
    curl --silent --show-error --fail-with-body --noproxy '*' --max-time 10 --output "$LOG_DIR/answer" \
        --header 'content-type: application/json' \
        --data '{"mode": "act", "adopt": "all", "changed_by": "dev", "reason": "demo"}' \
        "$(api_url)/v1/admin/mode" 2>>"$LOG_DIR/arm.log"
}

demo_start() {
    process_start demo env NO_COLOR=1 "$TARGET_DIR/debug/examples/demo_gateway" --url "$(api_url)" \
        --prefix "$TRACKER_DEMO_PREFIX" --sessions "$TRACKER_DEMO_SESSIONS"
}
# Its first line comes when it has read its flags and reached for the service.
demo_ready() { [ -s "$LOG_DIR/demo.log" ]; }
