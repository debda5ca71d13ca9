#!/usr/bin/env bash
# Processes we start: recorded, recognised, started until they answer, stopped. A process is told from a later
# one with the same id by its start time and the boot, so that nobody else's is ever stopped.

# Names of the processes this run of the script has started, in order.
STARTED=()
# A server that has not answered after this long will not: a cold machine takes a few seconds.
START_SECONDS=60
# Longer than the drain of a replica (10 s) and a checkpoint of a small Postgres.
STOP_SECONDS=20

# process_start NAME COMMAND...: in a session of its own, so that Ctrl-C reaches only this script.
process_start() {
    local name=$1 pid
    shift
    NO_COLOR=1 in_session "$@" >>"$LOG_DIR/$name.log" 2>&1 </dev/null 9<&- &
    pid=$!
    disown "$pid" 2>/dev/null || true
    printf '%s %s\n' "$pid" "$(process_mark "$pid")" >"$RUN_DIR/$name.pid"
}

# process_mark PID: start time in clock ticks since boot, and the boot; fails for one that has ended.
process_mark() {
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # The name in parentheses may contain anything; the state is the first field after it.
    local -a fields
    read -r -a fields <<<"${stat##*) }"
    [ "${fields[0]}" != Z ] || return 1
    printf '%s %s\n' "${fields[19]}" "$(cat /proc/sys/kernel/random/boot_id)"
}

process_pid() {
    local pid=
    [ ! -s "$RUN_DIR/$1.pid" ] || read -r pid _ <"$RUN_DIR/$1.pid"
    printf '%s\n' "$pid"
}

process_alive() {
    local pid mark
    [ -s "$RUN_DIR/$1.pid" ] || return 1
    read -r pid mark <"$RUN_DIR/$1.pid"
    [ -n "$mark" ] && [ "$(process_mark "$pid")" = "$mark" ]
}

# bring_up NAME START READY PORT_NAME...: calls START, waits until READY, and takes other ports when the
# picked ones are taken after all. Does nothing when it runs already.
bring_up() {
    local name=$1 start=$2 ready=$3 log=$LOG_DIR/$1.log port_name from are_new
    shift 3
    ! process_alive "$name" || return 0
    step "starting $name"
    for _ in 1 2 3 4 5; do
        are_new=yes
        for port_name in "$@"; do ! port_known "$port_name" || are_new=no; done
        for port_name in "$@"; do port "$port_name" >/dev/null; done
        [ -f "$log" ] || : >"$log"
        from=$(stat -c %s "$log")
        "$start" "$name"
        STARTED+=("$name")
        if wait_until "$START_SECONDS" process_settled "$name" "$ready" && process_alive "$name"; then
            return 0
        fi
        process_stop "$name"
        if ! tail -c "+$((from + 1))" "$log" | grep -qi 'address already in use\|address in use'; then
            show_log "$name"
            fail "$name did not start: put right what the lines above name, then run this again"
        fi
        [ "$are_new" = yes ] ||
            fail "another program has taken the port of $name ($(port "$1")): run ./dev down, then ./dev up, for new ports"
        for port_name in "$@"; do port_forget "$port_name"; done
    done
    fail "found no free port for $name in five attempts: stop what opens ports on this machine, then run this again"
}

# It answers, or it never will.
process_settled() {
    ! process_alive "$1" || "$2" "$1"
}

show_log() {
    printf -- '---- the last lines of %s\n' "$LOG_DIR/$1.log" >&2
    tail -n 15 "$LOG_DIR/$1.log" >&2
    printf -- '----\n' >&2
}

# process_stop NAME...: asks all of them at once, waits, insists. False when one would not go.
process_stop() {
    local name signal pid status=0
    for name in "$@"; do
        # Postgres would wait for its clients after SIGTERM; SIGINT ends their sessions.
        signal=TERM
        [ "$name" != postgres ] || signal=INT
        ! process_alive "$name" || kill -s "$signal" "$(process_pid "$name")" 2>/dev/null || true
    done
    for name in "$@"; do
        if ! wait_until "$STOP_SECONDS" process_dead "$name"; then
            pid=$(process_pid "$name")
            warn "$name (process $pid) did not end within $STOP_SECONDS s and is killed; its log: $LOG_DIR/$name.log"
            kill -KILL -- "-$pid" 2>/dev/null || true
            if ! wait_until 5 process_dead "$name"; then
                warn "$name (process $pid) cannot be stopped by $(id -un): stop it as the user who started it"
                status=1
                continue
            fi
        fi
        rm -f "$RUN_DIR/$name.pid"
    done
    return "$status"
}
process_dead() { ! process_alive "$1"; }
