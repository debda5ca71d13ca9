#!/usr/bin/env bash
# The environment of this checkout as a whole, shared by `up` and `down`: its lock, what it
# consists of, and stopping it.

ENVIRONMENT_DIR=$ROOT/.dev
# In the order in which they start; stopped the other way round.
# shellcheck disable=SC2034 # used by up.sh
PARTS=(redis postgres simulator replica-1 replica-2 haproxy demo)

# One `up` or `down` of a checkout at a time. The checkout itself is locked: .dev comes and goes.
environment_lock() {
    exec 9<"$ROOT"
    flock --nonblock 9 || {
        say "another ./dev is starting or stopping things in this checkout; waiting for it"
        flock 9
    }
}
environment_unlock() { exec 9<&-; }

# environment_stop NAME...: the users first, so that they take their leave; what others rest on last.
environment_stop() {
    local status=0
    process_stop demo || status=1
    process_stop haproxy replica-1 replica-2 || status=1
    process_stop simulator postgres redis || status=1
    return "$status"
}

# Stops everything and leaves nothing, unless something would not stop.
environment_remove() {
    : >"$ENVIRONMENT_DIR/stopping"
    environment_stop || {
        rm -f "$ENVIRONMENT_DIR/stopping"
        warn "kept $ENVIRONMENT_DIR: stop what is named above, then run ./dev down again"
        return 1
    }
    postgres_remove
    rm -rf "$ENVIRONMENT_DIR"
}
