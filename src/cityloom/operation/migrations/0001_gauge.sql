-- The last look at every gauge of the modules, and the level it has.
CREATE TABLE operation.gauge (
    name text PRIMARY KEY,
    title jsonb NOT NULL,
    unit text NOT NULL,
    warning double precision NOT NULL,
    alarm double precision NOT NULL,
    value double precision NOT NULL,
    subject text NOT NULL,
    level text NOT NULL CHECK (level IN ('ok', 'warning', 'alarm')),
    since timestamptz NOT NULL,
    pending text NOT NULL CHECK (pending IN ('ok', 'warning', 'alarm')),
    looks int NOT NULL,
    seen_at timestamptz NOT NULL
);

-- Of the platform alone: subjects are datasets and folders.
GRANT USAGE ON SCHEMA operation TO cityloom_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON operation.gauge TO cityloom_app;
ALTER TABLE operation.gauge ENABLE ROW LEVEL SECURITY;
ALTER TABLE operation.gauge FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON operation.gauge TO cityloom_app USING ((SELECT kernel.sees_all()));
