-- Devices of the city: who keeps them, what they are, by which numbers and secrets they speak, and how their life goes.
CREATE TABLE sensing.devices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    keeper text NOT NULL CHECK (keeper <> ''),
    name text NOT NULL CHECK (name <> ''),
    station text NOT NULL,                      -- the type, by the name of its file in the packs (sensing/devices)
    thing_id bigint REFERENCES sensing.things ON DELETE SET NULL,
    state text NOT NULL CHECK (state IN ('registered', 'approved', 'in_service', 'suspended', 'retired', 'refused')),
    reason text NOT NULL DEFAULT '',            -- why it is in this state, since when and by whom
    since timestamptz NOT NULL,
    decided_by text NOT NULL,
    maker text NOT NULL DEFAULT '',
    model text NOT NULL DEFAULT '',
    serial text NOT NULL DEFAULT '',
    firmware text NOT NULL DEFAULT '',
    version text NOT NULL DEFAULT '',
    address text NOT NULL DEFAULT '',
    district text NOT NULL DEFAULT '',
    longitude double precision,
    latitude double precision,
    groups text[] NOT NULL DEFAULT '{}',
    traits jsonb NOT NULL DEFAULT '{}',         -- how it speaks: what is forgiven to it, whether it hears answers
    made timestamptz NOT NULL,
    changed timestamptz NOT NULL,
    CHECK ((longitude IS NULL) = (latitude IS NULL))
);
CREATE INDEX devices_keeper ON sensing.devices (keeper, id);
CREATE INDEX devices_changed ON sensing.devices (changed);
CREATE INDEX devices_waiting ON sensing.devices (keeper, id) WHERE state = 'registered';
CREATE INDEX devices_thing ON sensing.devices (thing_id);

-- A number is one device's, over all keepers. Of its secret a keyed digest is kept, never the secret.
CREATE TABLE sensing.device_numbers (
    protocol text NOT NULL,
    number text NOT NULL CHECK (number <> ''),
    device_id bigint NOT NULL REFERENCES sensing.devices ON DELETE CASCADE,
    keeper text NOT NULL CHECK (keeper <> ''),
    digest text,                                -- NULL: no secret was given out yet, or it was revoked
    turns int NOT NULL DEFAULT 0,               -- how often a secret was given out
    issued timestamptz,
    PRIMARY KEY (protocol, number)
);
CREATE INDEX device_numbers_device ON sensing.device_numbers (device_id);

-- Where a quantity of a device goes: `series` is what the station type calls it (real time, minutes, hours …).
CREATE TABLE sensing.device_streams (
    device_id bigint NOT NULL REFERENCES sensing.devices ON DELETE CASCADE,
    series text NOT NULL,
    code text NOT NULL,
    aspect text NOT NULL,
    datastream_id bigint NOT NULL REFERENCES sensing.datastreams ON DELETE CASCADE,
    keeper text NOT NULL CHECK (keeper <> ''),
    PRIMARY KEY (device_id, series, code, aspect)
);
CREATE INDEX device_streams_stream ON sensing.device_streams (datastream_id);

-- Signs of life, written with what the device said, and how it is by the rules of the packs.
CREATE TABLE sensing.device_signs (
    device_id bigint PRIMARY KEY REFERENCES sensing.devices ON DELETE CASCADE,
    keeper text NOT NULL CHECK (keeper <> ''),
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    frames bigint NOT NULL DEFAULT 0,
    readings bigint NOT NULL DEFAULT 0,
    repeated bigint NOT NULL DEFAULT 0,         -- said before, and not kept twice
    undeclared bigint NOT NULL DEFAULT 0,       -- of quantities that its type does not have
    health text NOT NULL DEFAULT 'online',
    health_since timestamptz NOT NULL,
    causes jsonb NOT NULL DEFAULT '[]',
    judged timestamptz                          -- when its values were last looked at
) WITH (fillfactor = 70);

CREATE TABLE sensing.device_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id bigint NOT NULL REFERENCES sensing.devices ON DELETE CASCADE,
    keeper text NOT NULL CHECK (keeper <> ''),
    at timestamptz NOT NULL,
    actor text NOT NULL,
    act text NOT NULL,
    note text NOT NULL DEFAULT ''
);
CREATE INDEX device_log_device ON sensing.device_log (device_id, id);

-- What could not be read, or came from somebody unknown; then its keeper is who looks after the port.
CREATE TABLE sensing.quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    keeper text NOT NULL CHECK (keeper <> ''),
    protocol text NOT NULL,
    device_id bigint REFERENCES sensing.devices ON DELETE SET NULL,
    source text NOT NULL,
    reason text NOT NULL,
    raw bytea NOT NULL,
    received timestamptz NOT NULL
);
CREATE INDEX quarantine_keeper ON sensing.quarantine (keeper, id);
CREATE INDEX quarantine_received ON sensing.quarantine (received);

-- Frames as they came, by the day; whole days go when their time is over.
CREATE TABLE sensing.frames (
    id bigint GENERATED ALWAYS AS IDENTITY,
    keeper text NOT NULL CHECK (keeper <> ''),
    device_id bigint NOT NULL,
    protocol text NOT NULL,
    kind text NOT NULL,
    received timestamptz NOT NULL,
    deviations text[] NOT NULL DEFAULT '{}',
    facts jsonb,
    raw bytea NOT NULL
) PARTITION BY RANGE (received);
CREATE INDEX frames_device ON sensing.frames (device_id, received);

DO $$
DECLARE
    each text;
BEGIN
    FOREACH each IN ARRAY ARRAY['devices', 'device_numbers', 'device_streams', 'device_signs', 'device_log', 'quarantine',
        'frames']
    LOOP
        EXECUTE format('ALTER TABLE sensing.%I ENABLE ROW LEVEL SECURITY', each);
        EXECUTE format('ALTER TABLE sensing.%I FORCE ROW LEVEL SECURITY', each);
        EXECUTE format('CREATE POLICY own ON sensing.%I TO cityloom_app
            USING (keeper = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()))', each);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON sensing.%I TO cityloom_app', each);
    END LOOP;
END $$;
REVOKE UPDATE, DELETE ON sensing.device_log, sensing.frames FROM cityloom_app;

-- The partition of a day (UTC) for frames, made if it is not there.
CREATE FUNCTION sensing.make_frames_day(day date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part text := 'frames_' || to_char(day, 'YYYYMMDD');
    since timestamptz := day::timestamp AT TIME ZONE 'UTC';
BEGIN
    IF to_regclass('sensing.' || part) IS NOT NULL THEN
        RETURN part;
    END IF;
    PERFORM pg_advisory_xact_lock(7216044);
    IF to_regclass('sensing.' || part) IS NULL THEN
        EXECUTE format('CREATE TABLE sensing.%I PARTITION OF sensing.frames FOR VALUES FROM (%L) TO (%L)',
            part, since, since + interval '1 day');
    END IF;
    RETURN part;
END $$;

-- Days of frames that are gone: those before `day`, and of the others the oldest while all take more than `most` bytes.
CREATE FUNCTION sensing.drop_frames(day date, most bigint) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part record;
    size bigint;
    gone int := 0;
BEGIN
    IF kernel.organisation() IS DISTINCT FROM '*' OR day > current_date THEN
        RAISE EXCEPTION 'only the platform drops frames, and none of the future' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT COALESCE(sum(pg_total_relation_size(i.inhrelid)), 0) INTO size FROM pg_inherits i
        WHERE i.inhparent = 'sensing.frames'::regclass;
    FOR part IN SELECT c.relname, pg_total_relation_size(c.oid) AS bytes FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'sensing.frames'::regclass ORDER BY c.relname
    LOOP
        CONTINUE WHEN part.relname >= 'frames_' || to_char(current_date, 'YYYYMMDD');
        EXIT WHEN part.relname >= 'frames_' || to_char(day, 'YYYYMMDD') AND size <= most;
        EXECUTE format('DROP TABLE sensing.%I', part.relname);
        size := size - part.bytes;
        gone := gone + 1;
    END LOOP;
    RETURN gone;
END $$;
REVOKE ALL ON FUNCTION sensing.make_frames_day(date), sensing.drop_frames(date, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sensing.make_frames_day(date), sensing.drop_frames(date, bigint) TO cityloom_app;

-- Entities that the devices of a keeper share: what is observed, by its definition, and sensors, by what they are.
CREATE TABLE sensing.shared_entities (
    keeper text NOT NULL CHECK (keeper <> ''),
    key text NOT NULL,
    observed_property_id bigint REFERENCES sensing.observed_properties ON DELETE CASCADE,
    sensor_id bigint REFERENCES sensing.sensors ON DELETE CASCADE,
    PRIMARY KEY (keeper, key),
    CHECK ((observed_property_id IS NULL) <> (sensor_id IS NULL))
);
CREATE INDEX shared_entities_property ON sensing.shared_entities (observed_property_id);
CREATE INDEX shared_entities_sensor ON sensing.shared_entities (sensor_id);
ALTER TABLE sensing.shared_entities ENABLE ROW LEVEL SECURITY;
ALTER TABLE sensing.shared_entities FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON sensing.shared_entities TO cityloom_app
    USING (keeper = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
GRANT SELECT, INSERT, UPDATE, DELETE ON sensing.shared_entities TO cityloom_app;
