#!/usr/bin/env bash
# Redis and Postgres of our own, in the state directory, for `up`, `test` and `bench`.
# Their own settings beyond what all three share are in REDIS_CONFIG and POSTGRES_CONFIG, one per line.

REDIS_CONFIG=
POSTGRES_CONFIG=
# `single`, or `cluster`: three nodes, each with a third of the slots.
REDIS_KIND=single
REDIS_NODES=(redis)

redis_up() {
    local node
    [ "$REDIS_KIND" = single ] || REDIS_NODES=(redis redis-2 redis-3)
    for node in "${REDIS_NODES[@]}"; do
        if [ "$REDIS_KIND" = single ]; then
            bring_up "$node" redis_start redis_ready "$node"
        else
            bring_up "$node" redis_start redis_ready "$node" "$node-bus"
        fi
    done
    [ "$REDIS_KIND" = single ] || redis_join
}
postgres_up() { bring_up postgres postgres_start postgres_ready postgres; }

redis_url() {
    local node hosts=
    for node in "${REDIS_NODES[@]}"; do hosts+=${hosts:+,}127.0.0.1:$(port "$node"); done
    case $REDIS_KIND in
        single) printf 'redis://%s\n' "$hosts" ;;
        cluster) printf 'redis+cluster://%s\n' "$hosts" ;;
    esac
}
postgres_url() { printf 'postgres://tracker@127.0.0.1:%s/tracker\n' "$(port postgres)"; }

redis_start() {
    local home=$STATE_DIR/$1
    mkdir -p "$home"
    cat >"$home/redis.conf" <<CONFIG
bind 127.0.0.1
port $(port "$1")
dir "$home"
save ""
# An evicted key would be a lost connection.
maxmemory-policy noeviction
# The details of a connection are longer than the default of 64 bytes, which would turn small hashes into large ones.
hash-max-listpack-value 512
$REDIS_CONFIG
CONFIG
    [ "$REDIS_KIND" = single ] || printf 'cluster-enabled yes\ncluster-port %s\n' "$(port "$1-bus")" >>"$home/redis.conf"
    process_start "$1" redis-server "$home/redis.conf"
}

# Makes a cluster of the nodes.
redis_join() {
    local node
    local -a hosts=()
    for node in "${REDIS_NODES[@]}"; do hosts+=("127.0.0.1:$(port "$node")"); done
    redis-cli --cluster create "${hosts[@]}" --cluster-yes >"$LOG_DIR/redis-cluster.log" 2>&1 || {
        show_log redis-cluster
        fail "the nodes of Redis did not become a cluster: put right what the lines above name, then run this again"
    }
    for node in "${REDIS_NODES[@]}"; do
        wait_until 30 redis_serves "$node" || fail "the node $node of the cluster of Redis does not serve its slots"
    done
}
redis_serves() { timeout 2 redis-cli -h 127.0.0.1 -p "$(port "$1")" cluster info 2>/dev/null | grep -q 'cluster_state:ok'; }

# Loading a large append-only file answers LOADING, not PONG. Who has taken the port meanwhile may not answer at all.
redis_ready() { [ "$(timeout 2 redis-cli -h 127.0.0.1 -p "$(port "$1")" ping 2>/dev/null)" = PONG ]; }

# Postgres refuses to run as root: then it is its system user who runs it and owns the data.
as_postgres() {
    if [ "$EUID" -eq 0 ]; then
        set -- setpriv --reuid=postgres --regid=postgres --init-groups --inh-caps=-all -- "$@"
    fi
    # From /, because that user may not be able to enter the checkout.
    env -C / LC_ALL=C.UTF-8 "$@"
}

# $STATE_DIR/postgres is the data directory, or a link to it where Postgres' user cannot come in.
postgres_prepare() {
    local data=$STATE_DIR/postgres
    [ ! -s "$data/PG_VERSION" ] || return 0
    postgres_remove
    if [ "$EUID" -eq 0 ]; then
        id postgres >/dev/null 2>&1 ||
            fail "Postgres does not run as root and there is no user postgres: add one (useradd --system postgres), or use ./dev as an ordinary user"
        if as_postgres test -x "$STATE_DIR"; then
            mkdir -m 700 "$data"
        else
            ln -s "$(mktemp -d /var/tmp/connection-tracker-postgres.XXXXXX)" "$data"
        fi
        chown postgres: "$data/"
    else
        mkdir -m 700 "$data"
    fi
    # Every local user may connect: there is nothing in it but what this checkout puts there.
    as_postgres "$(postgres_bin)/initdb" --pgdata "$(readlink -f "$data")" --username tracker --auth trust \
        --encoding UTF8 --locale C.UTF-8 --no-sync >"$LOG_DIR/initdb.log" 2>&1 || {
        show_log initdb
        fail "initdb could not create $data: put right what the lines above name, then run this again"
    }
}

# After a kill -9 the lock file is left behind, and Postgres takes the id in it for a live server even when only
# a zombie of it remains. Ours is known to have ended; its sessions, which notice by themselves, must have too.
postgres_unlock() {
    local lock=$STATE_DIR/postgres/postmaster.pid
    [ -e "$lock" ] || return 0
    wait_until 20 postgres_deserted || fail "processes of a Postgres that was killed still use $STATE_DIR/postgres: end them, then run this again"
    rm -f "$lock"
}
# Every process of Postgres works in its data directory.
postgres_deserted() {
    local data cwd
    data=$(readlink -f "$STATE_DIR/postgres")
    for cwd in /proc/[0-9]*/cwd; do
        [ "$(readlink "$cwd" 2>/dev/null)" != "$data" ] || return 1
    done
}

postgres_start() {
    postgres_prepare
    postgres_unlock
    cat >"$STATE_DIR/postgres/postgresql.auto.conf" <<CONFIG
listen_addresses = '127.0.0.1'
port = $(port postgres)
unix_socket_directories = ''
$POSTGRES_CONFIG
CONFIG
    local data
    data=$(readlink -f "$STATE_DIR/postgres")
    # What as_postgres does, spelled out: a function cannot be the recorded process.
    if [ "$EUID" -eq 0 ]; then
        process_start postgres env -C / LC_ALL=C.UTF-8 setpriv --reuid=postgres --regid=postgres --init-groups \
            --inh-caps=-all -- "$(postgres_bin)/postgres" -D "$data"
    else
        process_start postgres env -C / LC_ALL=C.UTF-8 "$(postgres_bin)/postgres" -D "$data"
    fi
}

postgres_psql() {
    timeout 30 "$(postgres_bin)/psql" --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 \
        "postgres://tracker@127.0.0.1:$(port postgres)/$1?connect_timeout=2" --command "$2" 2>/dev/null
}

# It answers and the database is there.
postgres_ready() {
    [ "$(postgres_psql postgres "SELECT count(*) FROM pg_database WHERE datname = 'tracker'")" = 1 ] ||
        postgres_psql postgres 'CREATE DATABASE tracker'
}

# The data, also where they lie outside the state directory.
postgres_remove() {
    local data=$STATE_DIR/postgres target
    if [ -L "$data" ]; then
        target=$(readlink "$data")
        case $target in
            /var/tmp/connection-tracker-postgres.*) rm -rf "$target" ;;
        esac
    fi
    rm -rf "$data"
}
