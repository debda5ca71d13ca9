#!/bin/sh
# Makes the sessions that the demo users visit: sessions.sh URL PREFIX COUNT. One that exists is left as it is.
set -eu
number=1
while [ "$number" -le "$3" ]; do
    name=$(printf '%s%04d' "$2" "$number")
    status=$(curl --silent --show-error --retry 10 --retry-all-errors --output /dev/null --write-out '%{http_code}' \
        --header content-type:application/json --data "{
            \"apiVersion\": \"stream.space/v1alpha1\", \"kind\": \"Session\", \"metadata\": {\"name\": \"$name\"},
            \"spec\": {\"user\": \"demo\", \"template\": \"desktop\", \"state\": \"running\"}}" \
        "$1/apis/stream.space/v1alpha1/namespaces/default/sessions")
    case $status in
        201 | 409) ;;
        *)
            echo "session $name was not made: the platform answered $status" >&2
            exit 1
            ;;
    esac
    number=$((number + 1))
done
