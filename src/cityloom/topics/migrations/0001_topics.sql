-- Figures of topic libraries, day by day. part '' is the whole topic; what field and other say depends on the measure.
CREATE TABLE topics.figure (
    topic text NOT NULL,
    day date NOT NULL,
    part text NOT NULL,
    measure text NOT NULL,
    field text NOT NULL,
    other text NOT NULL,
    source text NOT NULL,                       -- the keeper of the part's data; '' for the whole topic, and for what is missing
    count bigint NOT NULL,
    total bigint NOT NULL,
    counted_at timestamptz NOT NULL,
    PRIMARY KEY (topic, day, part, measure, field, other)
);
CREATE INDEX figure_day ON topics.figure (day, topic) WHERE part = '';

-- What every department may see of them the policies decide: a figure is of no single organisation.
ALTER TABLE topics.figure ENABLE ROW LEVEL SECURITY;
ALTER TABLE topics.figure FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON topics.figure FOR SELECT TO cityloom_app USING ((SELECT kernel.organisation()) <> '');
CREATE POLICY made ON topics.figure TO cityloom_app USING ((SELECT kernel.sees_all()));

GRANT USAGE ON SCHEMA topics TO cityloom_app;
GRANT SELECT, INSERT, DELETE ON topics.figure TO cityloom_app;
