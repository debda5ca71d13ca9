#!/usr/bin/env bash
# What every command of ./dev needs: messages, waiting, signals, and where things are.
# Nothing here knows of a particular server or command.
# The sourcing script sets ROOT, the top of the checkout, and CALLED_FROM, where its caller stood.

# Debian keeps haproxy in sbin, which ordinary users do not have on their PATH.
PATH="$PATH:$HOME/.cargo/bin:/usr/sbin:/sbin"
# Settings of the caller's own Postgres would lead initdb, psql and our binaries astray.
for variable in "${!PG@}"; do unset "$variable"; done
unset variable
# Everything we talk to is on this machine; cargo keeps the proxy for everything else.
export NO_PROXY="127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}"
export no_proxy="$NO_PROXY"
export PATH

# shellcheck source=scripts/dev/port.sh
. "$ROOT/scripts/dev/port.sh"
# shellcheck source=scripts/dev/process.sh
. "$ROOT/scripts/dev/process.sh"
# shellcheck source=scripts/dev/packages.sh
. "$ROOT/scripts/dev/packages.sh"
# shellcheck source=scripts/dev/cargo.sh
. "$ROOT/scripts/dev/cargo.sh"

say() { printf '%s\n' "$*"; }
step() { printf '==> %s\n' "$*"; }
warn() { printf 'dev: %s\n' "$*" >&2; }

# One sentence that says what to do, and the end.
fail() {
    warn "$*"
    exit 1
}

# state_open DIR: where ports, process ids, logs and data of what we start are kept.
state_open() {
    STATE_DIR=$1
    RUN_DIR=$STATE_DIR/run
    LOG_DIR=$STATE_DIR/log
    mkdir -p "$STATE_DIR" 2>/dev/null ||
        fail "cannot create $STATE_DIR: make $(dirname "$STATE_DIR") writable for $(id -un)"
    if ! mkdir -p "$RUN_DIR" "$LOG_DIR" 2>/dev/null || [ ! -w "$RUN_DIR" ]; then
        fail "$STATE_DIR belongs to $(stat -c %U "$STATE_DIR"): run ./dev down as that user first"
    fi
}

# wait_until SECONDS COMMAND...: asks ten times a second; false when the time is over.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

# quiet_curl ARGUMENTS...: true for an answer of 2xx; never through a proxy.
quiet_curl() { curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null "$@" 2>/dev/null; }

# Signals end the script; what must be undone is undone once, by AT_EXIT, whatever ended it.
AT_EXIT=:
# on_exit FUNCTION: from now on this undoes it, called with the exit status; `:` for nothing to undo.
on_exit() { AT_EXIT=$1; }
at_exit() {
    local status=$?
    trap '' INT TERM HUP PIPE
    trap - EXIT
    set +e
    child_stop
    "$AT_EXIT" "$status"
    exit "$status"
}
trap at_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
# Whoever read our output has gone: `./dev up | head`.
trap 'exit 141' PIPE

# in_session COMMAND...: for the background. A shell without job control makes what it sends there deaf to
# Ctrl-C, which tests and servers would inherit; the process keeps the id that the shell knows.
in_session() {
    trap - INT QUIT
    exec setsid "$@"
}

# child COMMAND...: a long command in a session of its own, so that a signal to this script
# reaches our clean-up at once and, through it, the whole tree of the command.
CHILD=
child() {
    local status=0
    in_session "$@" </dev/null 9<&- &
    CHILD=$!
    wait "$CHILD" || status=$?
    CHILD=
    return "$status"
}

child_stop() {
    [ -n "$CHILD" ] || return 0
    kill -TERM -- "-$CHILD" 2>/dev/null
    wait_until 15 child_gone || kill -KILL -- "-$CHILD" 2>/dev/null
    CHILD=
}
child_gone() { ! kill -0 -- "-$CHILD" 2>/dev/null; }

# Any server wants more files than the 1,024 a login gets; 65,536 is plenty and harmless.
ulimit -Sn 65536 2>/dev/null || ulimit -Sn "$(ulimit -Hn)"
