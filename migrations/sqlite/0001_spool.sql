-- The spool of a collector: what it heard, and a journal of what happened to it.
--
-- There is no index beside the primary keys, because collection would pay for each of them with every record.
-- `id` grows with time, so a person who needs more speed can make an index in a copy.

-- Everyone who collects into this file. A record is (client, seq); seq counts from 1 without a gap.
CREATE TABLE client (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE,
    last_seq INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE search (
    id           INTEGER PRIMARY KEY,
    client       INTEGER NOT NULL, -- client.id; no foreign key, it would be looked up with every record
    seq          INTEGER NOT NULL,
    received_at  INTEGER NOT NULL, -- microseconds since 1970-01-01T00:00:00Z
    username     TEXT    NOT NULL, -- a pseudonym, never the name
    query        TEXT    NOT NULL, -- never holds U+0000; what was replaced is in query_raw
    query_raw    BLOB,             -- the bytes as received, only where `query` could not keep them
    token        INTEGER NOT NULL,
    source       INTEGER NOT NULL, -- 0 parent, 1 embedded, 2 server, 3 direct
    branch_level INTEGER NOT NULL
);

-- What happened to a collector: started, parent found, parent lost, clock jumped, ... Gaps in collection are read here.
CREATE TABLE event (
    id     INTEGER PRIMARY KEY,
    client INTEGER NOT NULL, -- client.id
    at     INTEGER NOT NULL, -- microseconds since 1970-01-01T00:00:00Z
    kind   TEXT    NOT NULL,
    detail TEXT    NOT NULL
);

-- The two views are for people.
CREATE VIEW searches (
    client_id, seq, received_at, timestamp, username, query, token, source, branch_level, query_raw
) AS
SELECT client_id, seq, instant, instant, username, query, token, source, branch_level, query_raw
FROM (
    SELECT
        search.id AS id,
        client.name AS client_id,
        seq,
        strftime('%Y-%m-%dT%H:%M:%S', received_at / 1000000, 'unixepoch')
            || printf('.%06dZ', received_at % 1000000) AS instant,
        username,
        query,
        token,
        CASE source
            WHEN 0 THEN 'parent' WHEN 1 THEN 'embedded' WHEN 2 THEN 'server' WHEN 3 THEN 'direct'
        END AS source,
        branch_level,
        query_raw
    FROM search JOIN client ON client.id = search.client
);

CREATE VIEW events (client_id, at, kind, detail) AS
SELECT
    client.name,
    strftime('%Y-%m-%dT%H:%M:%S', at / 1000000, 'unixepoch') || printf('.%06dZ', at % 1000000),
    kind,
    detail
FROM event JOIN client ON client.id = event.client;
