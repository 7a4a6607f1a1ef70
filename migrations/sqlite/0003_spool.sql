-- A spool has a name of its own: a region that gets a new one counts its records from 1 again, and a database that
-- several spools came to must tell them apart.
CREATE TABLE spool (id TEXT NOT NULL);
INSERT INTO spool (id) VALUES (lower(hex(randomblob(16))));

-- Records leave the spool once they are in a database or an archive. Their ids must not come back, so both tables
-- get AUTOINCREMENT, which takes a new table. The views find them under the old names.
PRAGMA legacy_alter_table = ON;

CREATE TABLE search_new (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    client       INTEGER NOT NULL, -- client.id; no foreign key, it would be looked up with every record
    seq          INTEGER NOT NULL,
    received_at  INTEGER NOT NULL, -- microseconds since 1970-01-01T00:00:00Z
    username     TEXT    NOT NULL, -- a pseudonym, never the name
    query        TEXT    NOT NULL, -- never holds U+0000; what was replaced is in query_raw
    query_raw    BLOB,             -- the bytes as received, only where `query` could not keep them
    token        INTEGER NOT NULL,
    source       INTEGER NOT NULL, -- bits 0-1: 0 parent, 1 embedded, 2 server, 3 direct; bit 2: a canary of ours
    branch_level INTEGER NOT NULL
);
INSERT INTO search_new SELECT id, client, seq, received_at, username, query, query_raw, token, source, branch_level
FROM search ORDER BY id;
DROP TABLE search;
ALTER TABLE search_new RENAME TO search;

CREATE TABLE event_new (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    client INTEGER NOT NULL, -- client.id
    at     INTEGER NOT NULL, -- microseconds since 1970-01-01T00:00:00Z
    kind   TEXT    NOT NULL,
    detail TEXT    NOT NULL
);
INSERT INTO event_new SELECT id, client, at, kind, detail FROM event ORDER BY id;
DROP TABLE event;
ALTER TABLE event_new RENAME TO event;

PRAGMA legacy_alter_table = OFF;
