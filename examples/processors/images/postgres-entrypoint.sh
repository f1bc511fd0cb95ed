#!/bin/sh
# Starts Postgres as the image's user. The first start makes the database that the variables of
# the official image describe: POSTGRES_PASSWORD (required), POSTGRES_USER, POSTGRES_DB.
set -eu

if [ "${1:-postgres}" != postgres ]; then
  exec "$@"
fi
[ $# -eq 0 ] || shift

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD}"
  user=${POSTGRES_USER:-postgres}
  database=${POSTGRES_DB:-$user}
  umask 077
  printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
  initdb -D "$PGDATA" -U "$user" --pwfile=/tmp/password --locale=C -E UTF8 --no-sync \
    --auth-local=trust --auth-host=scram-sha-256 >/tmp/initdb.log 2>&1 || {
    cat /tmp/initdb.log >&2
    exit 1
  }
  rm -f /tmp/password /tmp/initdb.log
  printf 'host all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
  if [ "$database" != postgres ]; then
    printf 'CREATE DATABASE "%s";\n' "$database" |
      postgres --single -j -D "$PGDATA" postgres >/dev/null
  fi
fi
unset POSTGRES_PASSWORD
exec postgres -D "$PGDATA" -c listen_addresses='*' -c jit=off \
  -c unix_socket_directories=/run/postgresql "$@"
