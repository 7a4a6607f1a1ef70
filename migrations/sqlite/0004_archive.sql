-- What a spool needs that is the database itself: archives and figures, under the same names as in PostgreSQL.

-- Records a day and client, and between which ids they are. Counted by whoever needs it, through `counted`.
CREATE TABLE day_count (
    day      INTEGER NOT NULL, -- days since 1970-01-01
    client   INTEGER NOT NULL, -- client.id
    searches INTEGER NOT NULL,
    first_id INTEGER NOT NULL,
    last_id  INTEGER NOT NULL,
    PRIMARY KEY (day, client)
) WITHOUT ROWID;

CREATE TABLE counted (through INTEGER NOT NULL); -- search.id
INSERT INTO counted VALUES (0);

-- Every file that was ever begun for a month. Part 0 is the month, the others hold what came too late for it.
CREATE TABLE archives (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    month        TEXT NOT NULL, -- 2026-10
    part         INTEGER NOT NULL,
    state        TEXT NOT NULL DEFAULT 'writing' CHECK (state IN ('writing', 'written', 'verified')),
    file_path    TEXT NOT NULL,
    record_count INTEGER,
    file_size    INTEGER, -- bytes
    sha256       TEXT,    -- of the file
    digest       TEXT,    -- of the records, in any order
    cursors      TEXT NOT NULL DEFAULT '[]', -- the records it holds
    started_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ')),
    archived_at  TEXT,
    deleted      INTEGER NOT NULL DEFAULT 0, -- whether the records are in the file only
    deleted_at   TEXT,
    restored_at  TEXT,
    UNIQUE (month, part)
);

-- What the reports keep of a day.
CREATE TABLE day_figures (
    day         INTEGER PRIMARY KEY, -- days since 1970-01-01
    searches    INTEGER NOT NULL,    -- the records that it was computed from
    computed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ')),
    figures     TEXT NOT NULL        -- JSON, docs/reports.md
);
