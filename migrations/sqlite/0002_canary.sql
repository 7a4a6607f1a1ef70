-- Bit 2 of `search.source` (value 4) says that the fleet itself sent the search, to measure what a branch hears.
-- Rows of before have none of these: only the view changes.
DROP VIEW searches;

CREATE VIEW searches (
    client_id, seq, received_at, timestamp, username, query, token, source, branch_level, query_raw, canary
) AS
SELECT client_id, seq, instant, instant, username, query, token, source, branch_level, query_raw, canary
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
        CASE source & 3
            WHEN 0 THEN 'parent' WHEN 1 THEN 'embedded' WHEN 2 THEN 'server' WHEN 3 THEN 'direct'
        END AS source,
        branch_level,
        query_raw,
        source & 4 <> 0 AS canary
    FROM search JOIN client ON client.id = search.client
);
