#!/bin/bash
# Makes the owner of a new database, and a login for each role. The official image runs it once, before anybody can
# connect; passwords come from mounted Secrets and are hexadecimal.
set -euo pipefail
password() { cat "/etc/fleet/logins/$1"; }
psql --no-psqlrc -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  -v owner="$(password fleet_owner)" -v writer="$(password collector)" \
  -v reader="$(password reader)" -v archiver="$(password archiver)" <<'SQL'
CREATE ROLE fleet_writer;
CREATE ROLE fleet_reader;
CREATE ROLE fleet_archiver;
CREATE ROLE fleet_owner LOGIN PASSWORD :'owner';
CREATE ROLE collector LOGIN PASSWORD :'writer' IN ROLE fleet_writer;
CREATE ROLE reader LOGIN PASSWORD :'reader' IN ROLE fleet_reader;
CREATE ROLE archiver LOGIN PASSWORD :'archiver' IN ROLE fleet_archiver;
CREATE DATABASE fleet OWNER fleet_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE fleet FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE fleet TO fleet_writer, fleet_reader, fleet_archiver;
SQL
