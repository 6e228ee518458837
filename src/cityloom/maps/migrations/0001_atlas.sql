-- The areas of the city as they were drawn last: one row. Whoever serves fetches the file, so that nobody waits for drawing.
CREATE TABLE maps.atlas (
    version text PRIMARY KEY,
    about text NOT NULL,                        -- JSON: what can be drawn, and the names
    content bytea NOT NULL,                     -- a DuckDB file
    drawn_at timestamptz NOT NULL
);

-- Where areas lie is no secret; only the platform draws.
ALTER TABLE maps.atlas ENABLE ROW LEVEL SECURITY;
ALTER TABLE maps.atlas FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON maps.atlas FOR SELECT TO cityloom_app USING ((SELECT kernel.organisation()) <> '');
CREATE POLICY drawn ON maps.atlas TO cityloom_app USING ((SELECT kernel.sees_all()));

GRANT USAGE ON SCHEMA maps TO cityloom_app;
GRANT SELECT, INSERT, DELETE ON maps.atlas TO cityloom_app;
