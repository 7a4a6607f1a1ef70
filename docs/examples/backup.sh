#!/usr/bin/env bash
# Backs a study's database up while its regions go on shipping:
#
#     backup.sh postgres://owner@db.example.org/study /backup/study-2026-11-21
#
# The directory gets a dump (pg_dump, directory format) and `counts`: what a restored database must hold, counted in the
# snapshot that was dumped. It is written last: without it the backup is not complete.
#
# Passwords come from PGPASSFILE (~/.pgpass). One in the URL works, too, but whoever sees this process sees it.
set -euo pipefail
umask 077

if [[ $# -ne 2 ]]; then
    echo "usage: $0 postgres://USER@HOST/DATABASE DIRECTORY" >&2
    exit 2
fi
url=$1
dir=$2
here=$(dirname "$(readlink -f "$0")")
source "$here/password.sh"

mkdir "$dir"

# One transaction for all of it: the counts, and through its snapshot each connection of the dump.
coproc SESSION { exec psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$url"; }
session_id=$SESSION_PID
to=${SESSION[1]}
# A copy: bash closes its own when the session ends.
exec {from}<&"${SESSION[0]}"
printf '%s\n' 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;' 'SELECT pg_export_snapshot();' >&"$to"
if ! IFS= read -r snapshot <&"$from"; then
    echo "error: the database gives no snapshot" >&2
    exit 1
fi

pg_dump --format=directory --jobs=2 --snapshot="$snapshot" --file="$dir/dump" -d "$url"

# From here on the session ends by itself: what it says until then are the counts.
{
    cat "$here/counts.sql"
    echo 'COMMIT;'
} >&"$to"
exec {to}>&-
cat <&"$from" >"$dir/counts.partial"
wait "$session_id"
sync -f "$dir"
mv "$dir/counts.partial" "$dir/counts"
echo "backed up to $dir: $(grep -c . "$dir/counts") counts written down"
