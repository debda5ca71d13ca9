#!/usr/bin/env bash
# ./dev down: stops what ./dev up started in this checkout, and removes .dev.

# shellcheck source=scripts/dev/servers.sh
. "$ROOT/scripts/dev/servers.sh"
# shellcheck source=scripts/dev/environment.sh
. "$ROOT/scripts/dev/environment.sh"

command_down() {
    [ $# -eq 0 ] || fail "down takes no arguments, but was given: $*"
    environment_lock
    if [ ! -e "$ENVIRONMENT_DIR" ]; then
        say "nothing of this checkout is running"
        return 0
    fi
    state_open "$ENVIRONMENT_DIR"
    step "stopping everything"
    environment_remove
    say "stopped; .dev is removed"
}
