#!/usr/bin/env bash
# Brings a backup of backup.sh into a new, empty database, and compares what is there with what was written down:
#
#     createdb -h other.example.org study
#     restore.sh /backup/study-2026-11-21 postgres://owner@other.example.org/study
#
# `fleetd migrate` afterwards makes the roles on that server. Passwords: see backup.sh.
set -euo pipefail

if [[ $# -ne 2 ]]; then
    echo "usage: $0 DIRECTORY postgres://USER@HOST/DATABASE" >&2
    exit 2
fi
dir=$1
url=$2
here=$(dirname "$(readlink -f "$0")")
source "$here/password.sh"

if [[ ! -f $dir/counts ]]; then
    echo "error: $dir is not a complete backup: it has no file \`counts\`" >&2
    exit 1
fi
run_sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$url" "$@"; }
if [[ $(run_sql -c "SELECT to_regnamespace('soulseek') IS NULL AND to_regnamespace('fleet') IS NULL") != t ]]; then
    echo "error: the database is not empty; make a new one with createdb" >&2
    exit 1
fi

# Owners and grants are those of the other server.
pg_restore --exit-on-error --no-owner --no-acl --jobs=2 -d "$url" "$dir/dump"

if ! run_sql -f "$here/counts.sql" | diff "$dir/counts" - >&2; then
    echo "error: the restored database does not hold what was backed up (< backup, > database)" >&2
    exit 1
fi
run_sql -c ANALYZE
echo "restored and compared: $(grep -c . "$dir/counts") counts are equal"
