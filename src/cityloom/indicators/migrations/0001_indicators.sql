-- Computations as they were made, only ever added.
CREATE TABLE indicators.computation (
    id text NOT NULL,
    indicator text NOT NULL,
    on_day date NOT NULL,
    wish text NOT NULL,                         -- SHA-256 of what was asked for
    parameters jsonb NOT NULL,                  -- all of them, so that the computation explains itself for ever
    inputs jsonb NOT NULL,
    figures int NOT NULL CHECK (figures >= 0),
    actor text NOT NULL,
    organisation text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (indicator, id)
);

-- Figures as they are published: protected, and null where hidden. Exact ones are not kept.
CREATE TABLE indicators.figure (
    indicator text NOT NULL,
    computation text NOT NULL,
    level text NOT NULL,
    area text NOT NULL,
    kind text NOT NULL,
    value bigint,
    PRIMARY KEY (indicator, computation, level, area, kind),
    FOREIGN KEY (indicator, computation) REFERENCES indicators.computation
);

-- Everyone whom the policies let read them sees all: they are protected, and of no single organisation.
ALTER TABLE indicators.computation ENABLE ROW LEVEL SECURITY;
ALTER TABLE indicators.computation FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON indicators.computation FOR SELECT TO cityloom_app
    USING ((SELECT kernel.organisation()) <> '');
CREATE POLICY made ON indicators.computation FOR INSERT TO cityloom_app
    WITH CHECK (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
ALTER TABLE indicators.figure ENABLE ROW LEVEL SECURITY;
ALTER TABLE indicators.figure FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON indicators.figure FOR SELECT TO cityloom_app
    USING ((SELECT kernel.organisation()) <> '');
CREATE POLICY made ON indicators.figure FOR INSERT TO cityloom_app WITH CHECK (
    EXISTS (SELECT FROM indicators.computation c WHERE c.indicator = figure.indicator AND c.id = figure.computation
        AND (c.organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all())))
);

GRANT USAGE ON SCHEMA indicators TO cityloom_app;
GRANT SELECT, INSERT ON indicators.computation, indicators.figure TO cityloom_app;
