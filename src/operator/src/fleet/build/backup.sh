set -euo pipefail
# A copy that was cut off has no name that counts.
rm -rf /backup/*.partial
name=$(date -u +%Y-%m-%dT%H-%M-%SZ)
pg_dump --format=directory --jobs=2 --compress=3 --no-owner --no-privileges --file="/backup/$name.partial"
pg_restore --list "/backup/$name.partial" >/dev/null
sync
mv "/backup/$name.partial" "/backup/$name"
ls -1d /backup/*Z | sort -r | tail -n +"$((KEEP + 1))" | xargs -r rm -rf
echo "copied to $name"
