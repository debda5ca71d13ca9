#!/usr/bin/env bash
# Free ports of 127.0.0.1, remembered by name in the state directory, so that a part which is
# started again keeps its address. Nobody can reserve a port without a socket: who finds his
# taken after all calls `port_forget` and picks again.

# Below the ports the kernel hands out for outgoing connections, which come and go.
PORT_LOWEST=20000
PORT_COUNT=12000

# port NAME: the port of that name, picked now if there is none yet.
port() {
    local file=$RUN_DIR/$1.port candidate
    if [ ! -s "$file" ]; then
        while :; do
            candidate=$((PORT_LOWEST + (RANDOM * 32768 + RANDOM) % PORT_COUNT))
            port_is_free "$candidate" && ! port_is_ours "$candidate" && break
        done
        printf '%s\n' "$candidate" >"$file"
    fi
    cat "$file"
}

port_known() { [ -s "$RUN_DIR/$1.port" ]; }
port_forget() { rm -f "$RUN_DIR/$1.port"; }

port_is_ours() { cat "$RUN_DIR"/*.port 2>/dev/null | grep -qx "$1"; }

# Nobody listens on it, on any address: a connection only shows listeners of 127.0.0.1.
port_is_free() {
    local hex
    printf -v hex ':%04X' "$1"
    ! cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        awk -v port="$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { found = 1 } END { exit !found }'
}
