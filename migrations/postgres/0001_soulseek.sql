-- Everything that the collectors of a Soulseek study send, and what became of it.
--
-- Programs write through functions, people read through views. Collection pays for no index: a record is found by
-- its time, through a BRIN index that costs nothing, in the partition of its month.

CREATE SCHEMA soulseek;

-- Who sends. A region that gets a new spool counts its records from 1 again, so each spool is a client of its own.
CREATE TABLE soulseek.client (
    id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name  text NOT NULL, -- the region, `client_id` to people
    spool text NOT NULL,
    UNIQUE (name, spool)
);

-- How far each client has come. Moved in the transaction that brings the records, so that each is here exactly once.
CREATE TABLE soulseek.ingest_cursor (
    client     integer PRIMARY KEY REFERENCES soulseek.client,
    last_seq   bigint NOT NULL DEFAULT 0,
    last_at    bigint,                    -- received_at of that record, in microseconds: by it a spool is known again
    last_event bigint NOT NULL DEFAULT 0,
    missing    bigint NOT NULL DEFAULT 0, -- numbers that never came, because a spool was damaged
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Records a day and client, moved like the cursor. Stays when records are archived.
CREATE TABLE soulseek.day_count (
    day      date NOT NULL,
    client   integer NOT NULL REFERENCES soulseek.client,
    searches bigint NOT NULL,
    PRIMARY KEY (day, client)
) WITH (fillfactor = 50);

-- The order of the columns leaves no gaps between them; eight columns need no second byte for the missing ones.
CREATE TABLE soulseek.search (
    seq         bigint NOT NULL,
    received_at timestamptz NOT NULL,
    token       integer NOT NULL,  -- 32 bits, unsigned: the view shows them right
    client      integer NOT NULL,  -- client.id; no foreign key, it would be looked up with every record
    origin      smallint NOT NULL, -- bits 0-1 source, 2 canary, 3 username is a text, 4-14 branch level (2047: or more)
    username    bytea NOT NULL,    -- a pseudonym: the bytes of its base64 form, or (bit 3) the text itself
    query       text NOT NULL,
    query_raw   bytea
) PARTITION BY RANGE (received_at);

CREATE INDEX search_received_at ON soulseek.search USING brin (received_at) WITH (autosummarize = on);

-- What happened to a collector: started, parent found, parent lost, clock jumped, ...
CREATE TABLE soulseek.event (
    client integer NOT NULL REFERENCES soulseek.client,
    id     bigint NOT NULL,
    at     timestamptz NOT NULL,
    kind   text NOT NULL,
    detail text NOT NULL,
    PRIMARY KEY (client, id)
);

CREATE INDEX event_at ON soulseek.event (client, at);

-- Every file that was ever begun for a month. Part 0 is the month, the others hold what came too late for it.
CREATE TABLE soulseek.archives (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    month        text NOT NULL CHECK (month ~ '^[0-9]{4}-[0-9]{2}$'),
    part         integer NOT NULL CHECK (part >= 0),
    state        text NOT NULL DEFAULT 'writing' CHECK (state IN ('writing', 'written', 'verified')),
    file_path    text NOT NULL, -- a path or an s3:// URL
    record_count bigint,
    file_size    bigint,        -- bytes
    sha256       text,          -- of the file
    digest       text,          -- of the records, in any order
    cursors      jsonb NOT NULL DEFAULT '[]', -- [{"client": 1, "after": 0, "through": 42}]: the records it holds
    started_at   timestamptz NOT NULL DEFAULT now(),
    archived_at  timestamptz,   -- when the file was read back and found right
    deleted      boolean NOT NULL DEFAULT false, -- whether the records are in the file only
    deleted_at   timestamptz,
    restored_at  timestamptz,   -- a person brought them back: they stay until the month is archived by name
    UNIQUE (month, part),
    CHECK (NOT deleted OR state = 'verified'),
    CHECK (state <> 'verified' OR (record_count IS NOT NULL AND sha256 IS NOT NULL AND archived_at IS NOT NULL))
);

-- What the reports keep of a day. Computed again when `searches` is no longer what day_count says.
CREATE TABLE soulseek.day_figures (
    day         date PRIMARY KEY,
    searches    bigint NOT NULL, -- the records that it was computed from
    computed_at timestamptz NOT NULL DEFAULT now(),
    figures     jsonb NOT NULL   -- docs/reports.md
);

-- What people read.
CREATE VIEW soulseek.searches AS
SELECT
    client.name AS client_id,
    search.seq,
    search.received_at,
    search.received_at AS "timestamp",
    CASE
        WHEN search.origin & 8 = 0
            THEN rtrim(translate(encode(search.username, 'base64'), E'+/\n', '-_'), '=')
        ELSE convert_from(search.username, 'UTF8')
    END AS username,
    search.query,
    search.token::bigint & 4294967295 AS token,
    (ARRAY['parent', 'embedded', 'server', 'direct'])[(search.origin & 3) + 1] AS source,
    (search.origin >> 4)::integer AS branch_level,
    search.query_raw,
    search.origin & 4 <> 0 AS canary,
    client.spool
FROM soulseek.search JOIN soulseek.client ON client.id = search.client;

CREATE VIEW soulseek.events AS
SELECT client.name AS client_id, event.at, event.kind, event.detail
FROM soulseek.event JOIN soulseek.client ON client.id = event.client;

-- The name of a month's partition.
CREATE FUNCTION soulseek.month_table(month date) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT 'search_' || to_char(month, 'YYYY_MM') $$;

-- Makes the partition of a month; true if there was none. Never waits for readers or writers: only the parent's
-- catalogue entry is locked, against other changes of partitions.
CREATE FUNCTION soulseek.add_month(any_day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    first_day  date := date_trunc('month', any_day);
    next_month date := first_day + interval '1 month';
    name       text := soulseek.month_table(first_day);
BEGIN
    -- A year before Christ would take the name of one of ours.
    IF (any_day BETWEEN '0001-01-01' AND '9999-12-31') IS NOT TRUE THEN
        RAISE EXCEPTION 'there are no records of the day %', any_day;
    END IF;
    IF to_regclass(format('soulseek.%I', name)) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('soulseek.add_month'));
    IF to_regclass(format('soulseek.%I', name)) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- To attach a table takes a weaker lock than to create a partition; the constraint spares a look at its rows.
    EXECUTE format(
        'CREATE TABLE soulseek.%I (LIKE soulseek.search INCLUDING DEFAULTS, CONSTRAINT month CHECK (received_at >= %L AND received_at < %L))',
        name, first_day::timestamptz, next_month::timestamptz);
    EXECUTE format(
        'ALTER TABLE soulseek.search ATTACH PARTITION soulseek.%I FOR VALUES FROM (%L) TO (%L)',
        name, first_day::timestamptz, next_month::timestamptz);
    EXECUTE format('ALTER TABLE soulseek.%I DROP CONSTRAINT month', name);
    RETURN true;
END $$;

-- The number of a client, and how far it has come.
CREATE FUNCTION soulseek.register_client(client_name text, client_spool text)
RETURNS TABLE (client integer, last_seq bigint, last_at bigint, last_event bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number integer;
BEGIN
    SELECT id INTO number FROM soulseek.client WHERE name = client_name AND spool = client_spool;
    IF number IS NULL THEN
        INSERT INTO soulseek.client (name, spool) VALUES (client_name, client_spool) ON CONFLICT DO NOTHING;
        SELECT id INTO STRICT number FROM soulseek.client WHERE name = client_name AND spool = client_spool;
        INSERT INTO soulseek.ingest_cursor (client) VALUES (number) ON CONFLICT DO NOTHING;
    END IF;
    RETURN QUERY SELECT c.client, c.last_seq, c.last_at, c.last_event FROM soulseek.ingest_cursor c WHERE c.client = number;
END $$;

-- The cursor of a client, held until the end of the transaction: nobody else brings its records meanwhile.
CREATE FUNCTION soulseek.lock_cursor(of_client integer) RETURNS TABLE (last_seq bigint, last_event bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT last_seq, last_event FROM soulseek.ingest_cursor WHERE client = of_client FOR UPDATE
$$;

-- Moves the cursor over what this transaction has brought, and counts it by day (days since 1970-01-01). Refuses a step
-- that leaves records out without saying so, and every step back.
CREATE FUNCTION soulseek.advance(
    of_client integer, from_seq bigint, to_seq bigint, to_at bigint, not_there bigint, to_event bigint, days integer[],
    counts bigint[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (to_seq >= from_seq AND not_there >= 0 AND 0 < ALL (counts)) IS NOT TRUE THEN
        RAISE EXCEPTION 'client % cannot go from % to % with % missing', of_client, from_seq, to_seq, not_there;
    END IF;
    IF to_seq - from_seq - not_there <> (SELECT coalesce(sum(n), 0) FROM unnest(counts) AS n) THEN
        RAISE EXCEPTION 'client % brought % records for the numbers % to %',
            of_client, (SELECT sum(n) FROM unnest(counts) AS n), from_seq + 1, to_seq;
    END IF;
    UPDATE soulseek.ingest_cursor
    SET last_seq = to_seq, last_at = coalesce(to_at, last_at), last_event = greatest(last_event, to_event), missing = missing + not_there, updated_at = now()
    WHERE client = of_client AND last_seq = from_seq;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'client % does not stand at %', of_client, from_seq;
    END IF;
    INSERT INTO soulseek.day_count AS d (day, client, searches)
    SELECT DATE '1970-01-01' + u.day, of_client, n FROM unnest(days, counts) AS u (day, n)
    ON CONFLICT (day, client) DO UPDATE SET searches = d.searches + excluded.searches;
END $$;

-- Takes a month's partition away from `search` and gives its new name. Only a month with a verified archive can go.
-- The parent is locked for the blink that this takes. Whoever is in the way is waited for half a second, since
-- writers queue up behind us: the caller tries again later.
CREATE FUNCTION soulseek.detach_month(of_month text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    attached text := soulseek.month_table((of_month || '-01')::date);
    detached text;
BEGIN
    PERFORM FROM soulseek.archives WHERE month = of_month AND state = 'verified' AND NOT deleted;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the month % has no verified archive', of_month;
    END IF;
    IF (of_month || '-01')::date >= date_trunc('month', now() AT TIME ZONE 'UTC') THEN
        RAISE EXCEPTION 'the month % is not over', of_month;
    END IF;
    detached := 'detached_' || to_char((of_month || '-01')::date, 'YYYY_MM') || '_'
        || to_regclass(format('soulseek.%I', attached))::oid;
    EXECUTE format('ALTER TABLE soulseek.search DETACH PARTITION soulseek.%I', attached);
    EXECUTE format('ALTER TABLE soulseek.%I RENAME TO %I', attached, detached);
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'fleet_archiver') THEN
        EXECUTE format('GRANT SELECT ON soulseek.%I TO fleet_archiver', detached);
    END IF;
    RETURN detached;
END $$;

-- Drops a detached month whose every record is in a verified archive.
CREATE FUNCTION soulseek.drop_detached(of_month text, detached text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_records bigint;
    archived      bigint;
BEGIN
    -- What is not there is not the right name either.
    IF (of_month ~ '^[0-9]{4}-[0-9]{2}$' AND detached ~ ('^detached_' || replace(of_month, '-', '_') || '_[0-9]+$'))
        IS NOT TRUE
    THEN
        RAISE EXCEPTION '% is not a detached table of the month %', detached, of_month;
    END IF;
    EXECUTE format('SELECT count(*) FROM soulseek.%I', detached) INTO found_records;
    SELECT coalesce(sum(record_count), 0) INTO archived
    FROM soulseek.archives WHERE month = of_month AND state = 'verified' AND NOT deleted;
    IF found_records <> archived THEN
        RAISE EXCEPTION '% holds % records, the archives of % hold %', detached, found_records, of_month, archived;
    END IF;
    EXECUTE format('DROP TABLE soulseek.%I', detached);
    UPDATE soulseek.archives SET deleted = true, deleted_at = now(), restored_at = NULL
    WHERE month = of_month AND state = 'verified' AND NOT deleted;
    RETURN found_records;
END $$;

-- What files of another database bring: how far a client had come there, and its records a day (days since 1970-01-01).
-- A cursor below that must stand where it stood when the files' records were not yet here: what lies between would be
-- there twice. A client has at most one record for each of its numbers, in these files and in all.
CREATE FUNCTION soulseek.adopt(
    of_client integer, from_seq bigint, to_seq bigint, days integer[], counts bigint[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    records numeric := (SELECT coalesce(sum(n), 0) FROM unnest(counts) AS n);
    counted numeric;
    reached bigint;
BEGIN
    IF (from_seq >= 0 AND cardinality(days) = cardinality(counts) AND 0 < ALL (counts) AND records <= to_seq)
        IS NOT TRUE
    THEN
        RAISE EXCEPTION 'client % cannot have the records % on the days % with numbers up to %',
            of_client, counts, days, to_seq;
    END IF;
    UPDATE soulseek.ingest_cursor
    SET last_seq = greatest(last_seq, to_seq), last_at = CASE WHEN last_seq >= to_seq THEN last_at END, updated_at = now()
    WHERE client = of_client AND (last_seq = from_seq OR (from_seq >= to_seq AND last_seq > from_seq))
    RETURNING last_seq INTO reached;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'client % does not stand at %', of_client, from_seq;
    END IF;
    INSERT INTO soulseek.day_count AS d (day, client, searches)
    SELECT DATE '1970-01-01' + u.day, of_client, n FROM unnest(days, counts) AS u (day, n)
    ON CONFLICT (day, client) DO UPDATE SET searches = d.searches + excluded.searches;
    SELECT sum(searches) INTO counted FROM soulseek.day_count WHERE client = of_client;
    IF counted > reached THEN
        RAISE EXCEPTION 'client % cannot have % records with numbers up to %', of_client, counted, reached;
    END IF;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA soulseek FROM PUBLIC;

-- This month and the next three. From here on whoever writes keeps ahead.
SELECT soulseek.add_month(((now() AT TIME ZONE 'UTC') + make_interval(months => n))::date)
FROM generate_series(0, 3) AS n;
