#!/usr/bin/env bash
# The foreground of `up`: the lines of the demo users, or of the replicas without them, until Ctrl-C.

follow() {
    local -a logs=("$LOG_DIR/demo.log")
    process_alive demo || logs=("$LOG_DIR/replica-1.log" "$LOG_DIR/replica-2.log")
    say "following ${logs[*]##*/}; Ctrl-C stops everything"
    say ""
    on_exit follow_end
    # Reads the lines so far as well: they are seconds old. It ends with this script, however that ends.
    tail --quiet --lines 200 --follow=name --pid $$ "${logs[@]}" 2>/dev/null &
    FOLLOWER=$!
    local name
    local -A is_gone=()
    while [ -s "$STATE_DIR/env" ]; do
        for name in "${WANTED[@]}"; do
            if process_alive "$name"; then
                is_gone[$name]=
            elif [ -z "${is_gone[$name]:-}" ] && [ -s "$STATE_DIR/env" ] && [ ! -e "$STATE_DIR/stopping" ]; then
                is_gone[$name]=yes
                warn "$name has ended (its log: $LOG_DIR/$name.log); ./dev up in another terminal starts it again"
            fi
        done
        sleep 1
    done
    on_exit follow_quit
    say "stopped by another ./dev"
}

# Ctrl-C is how one leaves: everything is stopped, and that is a success.
follow_end() {
    follow_quit
    say ""
    step "stopping everything"
    environment_lock
    if [ -e "$STATE_DIR" ]; then
        environment_remove || exit 1
    fi
    say "stopped; .dev is removed"
    [ "$1" -ne 130 ] || exit 0
}

follow_quit() { kill "$FOLLOWER" 2>/dev/null; }
