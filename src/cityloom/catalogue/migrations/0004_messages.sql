-- What the catalogue could not do by itself; it is tried again, and the keeper is told.
CREATE TABLE catalogue.setback (
    resource text NOT NULL,
    act text NOT NULL CHECK (act IN ('announced', 'regrade', 'draft')),
    organisation text NOT NULL, -- the keeper
    code text NOT NULL,         -- of the problem, with what fills its words
    params jsonb NOT NULL,
    since timestamptz NOT NULL,
    tried_at timestamptz NOT NULL,
    tries int NOT NULL,
    PRIMARY KEY (resource, act)
);

-- Who was told what: deadlines of drafts and disputes, rulings, setbacks.
CREATE TABLE catalogue.message (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organisation text NOT NULL, -- who is told
    kind text NOT NULL CHECK (kind IN ('warning', 'overdue', 'escalation', 'setback', 'moved')),
    subject text NOT NULL,
    state text NOT NULL,
    addressee text NOT NULL,    -- the role that an escalation goes to
    step int NOT NULL,
    due_at timestamptz,
    code text NOT NULL,
    params jsonb NOT NULL,
    at timestamptz NOT NULL,
    UNIQUE (organisation, subject, kind, state, step, at)
);

ALTER TABLE catalogue.setback ENABLE ROW LEVEL SECURITY;
ALTER TABLE catalogue.setback FORCE ROW LEVEL SECURITY;
ALTER TABLE catalogue.message ENABLE ROW LEVEL SECURITY;
ALTER TABLE catalogue.message FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON catalogue.setback TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY own ON catalogue.message TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
GRANT SELECT, INSERT, UPDATE, DELETE ON catalogue.setback TO cityloom_app;
GRANT SELECT, INSERT ON catalogue.message TO cityloom_app;
