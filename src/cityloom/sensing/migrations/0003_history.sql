-- Observations older than the hot days are in the lake. What was received before `cold_until` is read from there, and what was
-- received since from `observations`; a partition that is older is no longer read, and goes.
CREATE TABLE sensing.history (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    cold_until timestamptz NOT NULL DEFAULT '1970-01-01Z'
);
INSERT INTO sensing.history DEFAULT VALUES;
ALTER TABLE sensing.history ENABLE ROW LEVEL SECURITY;
ALTER TABLE sensing.history FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON sensing.history FOR SELECT TO cityloom_app USING (kernel.organisation() IS NOT NULL);
CREATE POLICY made ON sensing.history FOR UPDATE TO cityloom_app USING ((SELECT kernel.sees_all()));
GRANT SELECT, UPDATE ON sensing.history TO cityloom_app;

-- Each day (UTC, of arrival) that was moved.
CREATE TABLE sensing.history_days (
    day date PRIMARY KEY,
    total bigint NOT NULL,
    first_id bigint NOT NULL,                   -- the ids of a day ascend, but for batches that overtake one another
    last_id bigint NOT NULL,
    moved timestamptz NOT NULL,
    dropped timestamptz
);
CREATE INDEX history_days_ids ON sensing.history_days (first_id, last_id);
ALTER TABLE sensing.history_days ENABLE ROW LEVEL SECURITY;
ALTER TABLE sensing.history_days FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON sensing.history_days FOR SELECT TO cityloom_app USING (kernel.organisation() IS NOT NULL);
CREATE POLICY made ON sensing.history_days TO cityloom_app USING ((SELECT kernel.sees_all()));
GRANT SELECT, INSERT, UPDATE ON sensing.history_days TO cityloom_app;

-- What the observations of a datastream in the lake come to, and the last of them, as in `latest`.
CREATE TABLE sensing.cold_streams (
    datastream_id bigint PRIMARY KEY REFERENCES sensing.datastreams ON DELETE CASCADE,
    keeper text NOT NULL CHECK (keeper <> ''),
    total bigint NOT NULL,
    first_received timestamptz NOT NULL,
    first_start timestamptz NOT NULL,
    last_end timestamptz NOT NULL,
    first_result timestamptz,
    last_result timestamptz,
    id bigint NOT NULL,
    feature_id bigint NOT NULL,
    phenomenon_start timestamptz NOT NULL,
    phenomenon_end timestamptz,
    result_time timestamptz,
    received timestamptz NOT NULL,
    number double precision,
    result jsonb,
    quality jsonb,
    valid_start timestamptz,
    valid_end timestamptz,
    parameters jsonb
) WITH (fillfactor = 70);

-- Observations in the lake that were changed or removed since, whole, until a job has them written there.
CREATE SEQUENCE sensing.correction_versions;
CREATE TABLE sensing.corrections (
    id bigint PRIMARY KEY,
    datastream_id bigint NOT NULL,
    feature_id bigint NOT NULL,
    phenomenon_start timestamptz NOT NULL,
    phenomenon_end timestamptz,
    result_time timestamptz,
    received timestamptz NOT NULL,
    number double precision,
    keeper text NOT NULL,
    result jsonb,
    quality jsonb,
    valid_start timestamptz,
    valid_end timestamptz,
    parameters jsonb,
    removed boolean NOT NULL,
    was_of bigint NOT NULL,                     -- the datastream it has in the lake
    version bigint NOT NULL DEFAULT nextval('sensing.correction_versions')
);
CREATE INDEX corrections_order ON sensing.corrections (datastream_id, phenomenon_start, id);
GRANT USAGE ON SEQUENCE sensing.correction_versions TO cityloom_app;

-- Datastreams that went, and have observations in the lake until a job removes them.
CREATE TABLE sensing.gone_streams (
    datastream_id bigint PRIMARY KEY,
    keeper text NOT NULL CHECK (keeper <> '')
);

-- Rows of a partition that were changed or removed while it was being moved.
CREATE TABLE sensing.touched (
    id bigint PRIMARY KEY,
    keeper text NOT NULL CHECK (keeper <> '')
);

ALTER TABLE sensing.datastream_features ADD COLUMN cold boolean NOT NULL DEFAULT false; -- some observation in the lake has it

DO $$
DECLARE
    each text;
BEGIN
    FOREACH each IN ARRAY ARRAY['cold_streams', 'corrections', 'gone_streams', 'touched'] LOOP
        EXECUTE format('ALTER TABLE sensing.%I ENABLE ROW LEVEL SECURITY', each);
        EXECUTE format('ALTER TABLE sensing.%I FORCE ROW LEVEL SECURITY', each);
        EXECUTE format('CREATE POLICY made ON sensing.%I TO cityloom_app
            USING (keeper = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()))', each);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON sensing.%I TO cityloom_app', each);
    END LOOP;
    FOREACH each IN ARRAY ARRAY['cold_streams', 'corrections'] LOOP
        EXECUTE format('CREATE POLICY seen ON sensing.%I FOR SELECT TO cityloom_app
            USING (keeper = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all())
                OR EXISTS (SELECT FROM sensing.datastreams d WHERE d.id = datastream_id AND d.public))', each);
    END LOOP;
END $$;

CREATE FUNCTION sensing.note_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM sensing.datastreams WHERE id = OLD.datastream_id) THEN
        INSERT INTO sensing.gone_streams VALUES (OLD.datastream_id, OLD.keeper) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER note_gone AFTER DELETE ON sensing.cold_streams FOR EACH ROW EXECUTE FUNCTION sensing.note_gone();

CREATE FUNCTION sensing.note_touched() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO sensing.touched VALUES (OLD.id, OLD.keeper) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

-- Let nothing more into the partition of a day, and note what is changed in it from now on; waits for whoever writes into it.
CREATE FUNCTION sensing.seal_day(day date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part text := 'observations_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF kernel.organisation() IS DISTINCT FROM '*' THEN
        RAISE EXCEPTION 'only the platform seals days' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF to_regclass('sensing.' || part) IS NULL THEN
        RETURN '';
    END IF;
    EXECUTE format('REVOKE INSERT ON sensing.%I FROM cityloom_app', part);
    EXECUTE format('CREATE OR REPLACE TRIGGER note_touched AFTER UPDATE OR DELETE ON sensing.%I
        FOR EACH ROW EXECUTE FUNCTION sensing.note_touched()', part);
    RETURN part;
END $$;

-- Drop the partition of a day that is read from the lake.
CREATE FUNCTION sensing.drop_day(gone date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF kernel.organisation() IS DISTINCT FROM '*'
        OR gone >= (SELECT (cold_until AT TIME ZONE 'UTC')::date FROM sensing.history) THEN
        RAISE EXCEPTION 'only the platform drops days that are in the lake' USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS sensing.%I', 'observations_' || to_char(gone, 'YYYYMMDD'));
    UPDATE sensing.history_days SET dropped = now() WHERE day = gone;
END $$;

-- A day that is in the lake takes nothing more: its partition is not made again.
CREATE OR REPLACE FUNCTION sensing.make_day(day date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part text := 'observations_' || to_char(day, 'YYYYMMDD');
    since timestamptz := day::timestamp AT TIME ZONE 'UTC';
BEGIN
    IF since < (SELECT cold_until FROM sensing.history) THEN
        RETURN '';
    END IF;
    IF to_regclass('sensing.' || part) IS NOT NULL THEN
        RETURN part;
    END IF;
    PERFORM pg_advisory_xact_lock(7216043);
    IF to_regclass('sensing.' || part) IS NOT NULL THEN
        RETURN part;
    END IF;
    EXECUTE format('CREATE TABLE sensing.%I (LIKE sensing.observations INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
    EXECUTE format('CREATE TRIGGER own_rows AFTER INSERT ON sensing.%I REFERENCING NEW TABLE AS arrived
        FOR EACH STATEMENT EXECUTE FUNCTION sensing.own_rows()', part);
    EXECUTE format('GRANT INSERT ON sensing.%I TO cityloom_app', part);
    EXECUTE format('ALTER TABLE sensing.observations ATTACH PARTITION sensing.%I FOR VALUES FROM (%L) TO (%L)',
        part, since, since + interval '1 day');
    RETURN part;
END $$;

-- The days that have a partition, the first of them first.
CREATE FUNCTION sensing.days() RETURNS SETOF date
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT to_date(right(c.relname, 8), 'YYYYMMDD') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'sensing.observations'::regclass ORDER BY 1
$$;
REVOKE ALL ON FUNCTION sensing.note_gone(), sensing.note_touched(), sensing.seal_day(date), sensing.drop_day(date),
    sensing.make_day(date), sensing.days() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sensing.seal_day(date), sensing.drop_day(date), sensing.make_day(date), sensing.days() TO cityloom_app;
