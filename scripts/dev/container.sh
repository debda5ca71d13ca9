#!/usr/bin/env bash
# The image and docker-compose.yml on a real container engine. Part of ./dev test where TRACKER_TEST_CONTAINERS is set;
# takes base images from their registries.

# Runs it; where it cannot be had, says so by name.
containers() {
    if [ -z "${TRACKER_TEST_CONTAINERS:-}" ]; then
        SKIPPED+=("image and docker-compose.yml (TRACKER_TEST_CONTAINERS is not set)")
        return 0
    fi
    step "building the image and starting docker-compose.yml"
    docker info >/dev/null 2>&1 || fail "TRACKER_TEST_CONTAINERS is set, but no container engine answers: start it, or unset that"
    local -a compose=(docker compose --project-name connection-tracker-test --file "$ROOT/docker-compose.yml")
    # Ports of its own, beside whatever runs.
    local -x HTTP_PORT SIMULATOR_PORT
    HTTP_PORT=$(port compose-http)
    SIMULATOR_PORT=$(port compose-simulator)
    local status=0
    child "${compose[@]}" up --build --detach --wait || status=1
    [ "$status" -ne 0 ] || containers_judge || status=1
    [ "$status" -eq 0 ] || "${compose[@]}" logs --tail 50
    "${compose[@]}" down --volumes --timeout 30
    return "$status"
}

# The demo lives: users are connected, and the image has neither root nor a shell.
containers_judge() {
    wait_until 120 containers_busy || {
        warn "the demo users did not connect within two minutes"
        return 1
    }
    [ "$(docker image inspect --format '{{.Config.User}}' connection-tracker:local)" = 65532:65532 ] || {
        warn "the image runs as somebody else"
        return 1
    }
    ! docker run --rm --entrypoint /bin/sh connection-tracker:local -c true 2>/dev/null || {
        warn "the image holds a shell"
        return 1
    }
    say "image: $(docker image inspect --format '{{.Size}}' connection-tracker:local) bytes"
}

containers_busy() {
    curl --silent --fail --noproxy '*' --max-time 5 "http://127.0.0.1:$HTTP_PORT/v1/stats" |
        grep --quiet --extended-regexp '"active_connections":[1-9]'
}
