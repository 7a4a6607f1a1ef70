-- Every table of a study with the number of its rows, and how far each region has come. For backup.sh and restore.sh.
SELECT format('SELECT %L, count(*) FROM %s', oid::regclass, oid::regclass)
FROM pg_class
WHERE relnamespace = 'soulseek'::regnamespace AND relkind = 'r'
ORDER BY relname \gexec
SELECT name, spool, last_seq, last_event, missing
FROM soulseek.client JOIN soulseek.ingest_cursor ON client = id ORDER BY name, spool;
