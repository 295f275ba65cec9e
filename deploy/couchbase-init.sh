#!/bin/sh
# Makes of a fresh Couchbase node a cluster with the chat's bucket and user; where they are there, it changes nothing
# but the user's password. The passwords come from the environment.
set -eu

HOST=http://couchbase:8091
login() { set -- "$@" --username Administrator --password "$COUCHBASE_ADMINISTRATOR_PASSWORD"; couchbase-cli "$@"; }

if ! login server-list --cluster "$HOST" >/dev/null 2>&1; then
    couchbase-cli cluster-init --cluster "$HOST" \
        --cluster-username Administrator --cluster-password "$COUCHBASE_ADMINISTRATOR_PASSWORD" \
        --services data --cluster-ramsize "$COUCHBASE_RAM_MB"
fi

# one node holds no replicas; with more nodes: --bucket-replica 1 (or 2), and STORE_DURABILITY=auto
if ! login bucket-list --cluster "$HOST" | grep -qx chat; then
    login bucket-create --cluster "$HOST" --bucket chat --bucket-type couchbase \
        --bucket-ramsize "$COUCHBASE_RAM_MB" --bucket-replica 0 --bucket-eviction-policy valueOnly --wait
fi

login user-manage --cluster "$HOST" --set --auth-domain local \
    --rbac-username chat --rbac-password "$COUCHBASE_PASSWORD" --roles 'bucket_full_access[chat]'
