-- The model of OGC SensorThings 1.1 (18-088). Every row has a keeper, the organisation of its maker; what the keeper
-- cleared is public. Ids ascend with arrival.
CREATE TABLE sensing.things (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    keeper text NOT NULL CHECK (keeper <> ''),
    public boolean NOT NULL DEFAULT false,
    name text NOT NULL,
    description text NOT NULL,
    properties jsonb,
    district text GENERATED ALWAYS AS (properties ->> 'district') STORED -- an index under row-level security needs a column
);
CREATE INDEX things_district ON sensing.things (district) WHERE district IS NOT NULL;
CREATE INDEX things_keeper ON sensing.things (keeper, id);
CREATE INDEX things_public ON sensing.things (id) WHERE public;

-- Geometries are kept as they were sent, as WKB to reckon with, and as the box that a query looks at first.
CREATE TABLE sensing.locations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    keeper text NOT NULL CHECK (keeper <> ''),
    public boolean NOT NULL DEFAULT false,
    name text NOT NULL,
    description text NOT NULL,
    properties jsonb,
    encoding_type text NOT NULL,
    location jsonb NOT NULL,
    shape bytea,
    west double precision,
    south double precision,
    east double precision,
    north double precision
);
CREATE INDEX locations_box ON sensing.locations (west, south);
CREATE TABLE sensing.thing_locations (
    thing_id bigint NOT NULL REFERENCES sensing.things ON DELETE CASCADE,
    location_id bigint NOT NULL REFERENCES sensing.locations ON DELETE CASCADE,
    keeper text NOT NULL CHECK (keeper <> ''),
    public boolean NOT NULL DEFAULT false,
    PRIMARY KEY (thing_id, location_id)
);
CREATE INDEX thing_locations_location ON sensing.thing_locations (location_id);

CREATE TABLE sensing.historical_locations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    keeper text NOT NULL CHECK (keeper <> ''),
    public boolean NOT NULL DEFAULT false,
    thing_id bigint NOT NULL REFERENCES sensing.things ON DELETE CASCADE,
    time timestamptz NOT NULL
);
CREATE INDEX historical_locations_thing ON sensing.historical_locations (thing_id, time);
CREATE TABLE sensing.historical_location_places (
    historical_location_id bigint NOT NULL REFERENCES sensing.historical_locations ON DELETE CASCADE,
    location_id bigint NOT NULL REFERENCES sensing.locations ON DELETE CASCADE,
    keeper text NOT NULL CHECK (keeper <> ''),
    public boolean NOT NULL DEFAULT false,
    PRIMARY KEY (historical_location_id, location_id)
);
CREATE INDEX historical_location_places_location ON sensing.historical_location_places (location_id);

CREATE TABLE sensing.sensors (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    keeper text NOT NULL CHECK (keeper <> ''),
    public boolean NOT NULL DEFAULT false,
    name text NOT NULL,
    description text NOT NULL,
    properties jsonb,
    encoding_type text NOT NULL,
    metadata jsonb NOT NULL
);
CREATE TABLE sensing.observed_properties (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    keeper text NOT NULL CHECK (keeper <> ''),
    public boolean NOT NULL DEFAULT false,
    name text NOT NULL,
    description text NOT NULL,
    properties jsonb,
    definition text NOT NULL
);

-- Datastream and MultiDatastream. What their observations change stands in `latest`.
CREATE TABLE sensing.datastreams (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    keeper text NOT NULL CHECK (keeper <> ''),
    public boolean NOT NULL DEFAULT false,
    multi boolean NOT NULL,
    thing_id bigint NOT NULL REFERENCES sensing.things ON DELETE CASCADE,
    sensor_id bigint NOT NULL REFERENCES sensing.sensors ON DELETE CASCADE,
    name text NOT NULL,
    description text NOT NULL,
    properties jsonb,
    observation_type text NOT NULL,
    unit jsonb NOT NULL,                        -- unitOfMeasurement, or the list unitOfMeasurements
    data_types jsonb                            -- multiObservationDataTypes
);
CREATE INDEX datastreams_thing ON sensing.datastreams (thing_id, multi, id);
CREATE INDEX datastreams_sensor ON sensing.datastreams (sensor_id, multi, id);
CREATE TABLE sensing.datastream_properties (
    datastream_id bigint NOT NULL REFERENCES sensing.datastreams ON DELETE CASCADE,
    position int NOT NULL,
    observed_property_id bigint NOT NULL REFERENCES sensing.observed_properties ON DELETE CASCADE,
    keeper text NOT NULL CHECK (keeper <> ''),
    public boolean NOT NULL DEFAULT false,
    PRIMARY KEY (datastream_id, position)
);
CREATE INDEX datastream_properties_property ON sensing.datastream_properties (observed_property_id);

CREATE TABLE sensing.features (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    keeper text NOT NULL CHECK (keeper <> ''),
    public boolean NOT NULL DEFAULT false,
    name text NOT NULL,
    description text NOT NULL,
    properties jsonb,
    encoding_type text NOT NULL,
    feature jsonb NOT NULL,
    shape bytea,
    west double precision,
    south double precision,
    east double precision,
    north double precision,
    location_id bigint UNIQUE REFERENCES sensing.locations ON DELETE SET NULL -- made from it
);
CREATE INDEX features_box ON sensing.features (west, south);
-- Which features a datastream's observations have: the way from a feature to them, and its observedArea.
CREATE TABLE sensing.datastream_features (
    datastream_id bigint NOT NULL REFERENCES sensing.datastreams ON DELETE CASCADE,
    feature_id bigint NOT NULL REFERENCES sensing.features ON DELETE CASCADE,
    keeper text NOT NULL CHECK (keeper <> ''),
    public boolean NOT NULL DEFAULT false,
    PRIMARY KEY (datastream_id, feature_id)
);
CREATE INDEX datastream_features_feature ON sensing.datastream_features (feature_id);

-- The hot side. A number stands in `number`, and its JSON in `result` only where it is not exactly a double.
CREATE SEQUENCE sensing.observation_ids;
CREATE TABLE sensing.observations (
    id bigint NOT NULL,
    datastream_id bigint NOT NULL,
    feature_id bigint NOT NULL,
    phenomenon_start timestamptz NOT NULL,
    phenomenon_end timestamptz,                 -- of an interval
    result_time timestamptz,
    received timestamptz NOT NULL,
    number double precision,
    keeper text NOT NULL,
    result jsonb,
    quality jsonb,
    valid_start timestamptz,
    valid_end timestamptz,
    parameters jsonb
) PARTITION BY RANGE (received);
CREATE INDEX observations_order ON sensing.observations (datastream_id, phenomenon_start, id);
CREATE INDEX observations_id ON sensing.observations USING brin (id) WITH (pages_per_range = 16);

-- The last observation of each datastream, and what all of them come to; kept by the transaction that takes them.
CREATE TABLE sensing.latest (
    datastream_id bigint PRIMARY KEY REFERENCES sensing.datastreams ON DELETE CASCADE,
    keeper text NOT NULL CHECK (keeper <> ''),
    public boolean NOT NULL DEFAULT false,
    total bigint NOT NULL,
    first_start timestamptz NOT NULL,
    last_end timestamptz NOT NULL,
    first_result timestamptz,
    last_result timestamptz,
    west double precision,                      -- the box around the features that were observed
    south double precision,
    east double precision,
    north double precision,
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

DO $$
DECLARE
    each text;
BEGIN
    FOREACH each IN ARRAY ARRAY['things', 'locations', 'thing_locations', 'historical_locations',
        'historical_location_places', 'sensors', 'observed_properties', 'datastreams', 'datastream_properties', 'features',
        'datastream_features', 'latest']
    LOOP
        EXECUTE format('ALTER TABLE sensing.%I ENABLE ROW LEVEL SECURITY', each);
        EXECUTE format('ALTER TABLE sensing.%I FORCE ROW LEVEL SECURITY', each);
        EXECUTE format('CREATE POLICY seen ON sensing.%I FOR SELECT TO cityloom_app
            USING (keeper = (SELECT kernel.organisation()) OR public OR (SELECT kernel.sees_all()))', each);
        EXECUTE format('CREATE POLICY made ON sensing.%I TO cityloom_app
            USING (keeper = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()))', each);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON sensing.%I TO cityloom_app', each);
    END LOOP;
END $$;
ALTER TABLE sensing.observations ENABLE ROW LEVEL SECURITY;
ALTER TABLE sensing.observations FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON sensing.observations FOR SELECT TO cityloom_app
    USING (keeper = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all())
        OR EXISTS (SELECT FROM sensing.datastreams d WHERE d.id = datastream_id AND d.public));
CREATE POLICY made ON sensing.observations TO cityloom_app
    USING (keeper = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
GRANT SELECT, UPDATE, DELETE ON sensing.observations TO cityloom_app;

-- A block of ids: the first of `wanted` numbers that nobody else gets. Every taker comes through here.
CREATE FUNCTION sensing.take_ids(wanted bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first bigint;
BEGIN
    IF wanted < 1 OR wanted > 10000000 THEN
        RAISE EXCEPTION 'a block of % ids', wanted;
    END IF;
    PERFORM pg_advisory_lock(7216042);
    first := nextval('sensing.observation_ids');
    PERFORM setval('sensing.observation_ids', first + wanted - 1);
    PERFORM pg_advisory_unlock(7216042);
    RETURN first;
END $$;

-- COPY knows no row-level security, so a batch goes into its day's partition, where this looks at all its rows at once.
CREATE FUNCTION sensing.own_rows() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own text := kernel.organisation();
BEGIN
    IF own IS NULL OR (own <> '*' AND EXISTS (SELECT FROM arrived WHERE keeper <> own)) THEN
        RAISE EXCEPTION 'observations of another organisation' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;

-- The partition of a day (UTC), made if it is not there; its name.
CREATE FUNCTION sensing.make_day(day date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part text := 'observations_' || to_char(day, 'YYYYMMDD');
    since timestamptz := day::timestamp AT TIME ZONE 'UTC';
BEGIN
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
REVOKE ALL ON FUNCTION sensing.take_ids(bigint), sensing.own_rows(), sensing.make_day(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sensing.take_ids(bigint), sensing.make_day(date) TO cityloom_app;
GRANT USAGE ON SCHEMA sensing TO cityloom_app;
