-- The rights of the service at the database, when it does not own the tables.
--
--   psql -v schema=public -v service=swpt_accounts -f deploy/database-roles.sql "$URL_OF_THE_OWNER"
--
-- Run it as the owner of the tables, after every `swpt-accounts configure` of the owner: it can be repeated at
-- any time, and gives new tables their rights.  The service appends to journal, seals and audit, and reads
-- them; what stands there it can neither change nor remove, and it can not close a month.  It makes the partitions of the next months by a
-- function of the owner.

\set ON_ERROR_STOP on
BEGIN;

SELECT set_config('swpt.schema', :'schema', true), set_config('swpt.service', :'service', true);

DO $$
DECLARE
    place text := current_setting('swpt.schema');
    service text := current_setting('swpt.service');
    one record;
BEGIN
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', place);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', place, service);
    FOR one IN
        SELECT c.relname, c.relkind, c.relispartition FROM pg_class c
        WHERE c.relnamespace = place::regnamespace AND c.relkind IN ('r', 'p', 'S')
    LOOP
        IF one.relkind = 'S' THEN
            EXECUTE format('GRANT USAGE ON SEQUENCE %I.%I TO %I', place, one.relname, service);
            CONTINUE;
        END IF;
        EXECUTE format('REVOKE ALL ON %I.%I FROM PUBLIC, %I', place, one.relname, service);
        IF one.relispartition OR one.relname IN ('alembic_version', 'closed_month', 'archived_segment')
            OR one.relname LIKE 'journal\_archived\_%' THEN
            EXECUTE format('GRANT SELECT ON %I.%I TO %I', place, one.relname, service);
        ELSIF one.relname IN ('journal', 'seal', 'audit') THEN
            EXECUTE format('GRANT SELECT, INSERT ON %I.%I TO %I', place, one.relname, service);
        ELSE
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I.%I TO %I', place, one.relname, service);
        END IF;
    END LOOP;
    EXECUTE format('REVOKE ALL ON FUNCTION %I.make_journal_month(integer, integer) FROM PUBLIC', place);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %I.make_journal_month(integer, integer) TO %I', place, service);
END $$;

COMMIT;
