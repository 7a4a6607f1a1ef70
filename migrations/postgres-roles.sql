-- Who may do what. Run after every migration, so that it need not be repeated in them.
--
-- A login gets one of these with GRANT fleet_writer TO region_germany. Where the owner may not make roles, it does
-- everything itself.
--
-- Functions are everybody's until somebody says otherwise: those of a new migration, and all of them in a database that
-- was restored from a backup.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA soulseek FROM PUBLIC;

DO $roles$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['fleet_writer', 'fleet_reader', 'fleet_archiver'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role);
            EXCEPTION
                WHEN insufficient_privilege THEN
                    RAISE WARNING 'the role % was not made: %', role, SQLERRM;
                -- Another database of this server is being migrated, too.
                WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role);
        EXECUTE format('GRANT USAGE ON SCHEMA fleet, soulseek TO %I', role);
        EXECUTE format('GRANT SELECT ON fleet._sqlx_migrations TO %I', role);
    END LOOP;

    -- Insert, and nothing else: not even what it has inserted can it read.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'fleet_writer') THEN
        GRANT INSERT ON soulseek.search, soulseek.event TO fleet_writer;
        GRANT EXECUTE ON FUNCTION
            soulseek.add_month, soulseek.register_client, soulseek.lock_cursor, soulseek.advance
            TO fleet_writer;
    END IF;

    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'fleet_reader') THEN
        GRANT SELECT ON soulseek.searches, soulseek.events, soulseek.event, soulseek.archives, soulseek.client, soulseek.ingest_cursor,
            soulseek.day_count, soulseek.day_figures TO fleet_reader;
    END IF;

    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'fleet_archiver') THEN
        GRANT SELECT ON ALL TABLES IN SCHEMA soulseek TO fleet_archiver;
        GRANT INSERT ON soulseek.archives, soulseek.day_figures, soulseek.search TO fleet_archiver;
        GRANT UPDATE (state, file_path, record_count, file_size, sha256, digest, cursors, started_at, archived_at, deleted,
            deleted_at, restored_at) ON soulseek.archives TO fleet_archiver;
        GRANT UPDATE, DELETE ON soulseek.day_figures TO fleet_archiver;
        GRANT EXECUTE ON FUNCTION
            soulseek.add_month, soulseek.month_table, soulseek.detach_month, soulseek.drop_detached,
            soulseek.register_client, soulseek.adopt
            TO fleet_archiver;
    END IF;
END $roles$;
