-- Published results: each revision as it was frozen, only ever added.
CREATE TABLE appraisal.publication (
    id text NOT NULL,                           -- set and period
    revision int NOT NULL CHECK (revision > 0),
    set_name text NOT NULL,
    set_body jsonb NOT NULL,                    -- the whole set, so that the result explains itself for ever
    digest text NOT NULL,
    start_on date NOT NULL,
    end_on date NOT NULL,
    show text NOT NULL CHECK (show IN ('points', 'places', 'own')),
    ranking jsonb NOT NULL,                     -- as all may see it
    reason text NOT NULL,
    appeal text NOT NULL DEFAULT '',
    key text NOT NULL,
    actor text NOT NULL,
    at timestamptz NOT NULL,
    appeals_until timestamptz,
    PRIMARY KEY (id, revision),
    UNIQUE (id, key),
    CHECK (start_on <= end_on)
);

CREATE TABLE appraisal.result (
    publication text NOT NULL,
    revision int NOT NULL,
    organisation text NOT NULL,
    points numeric(6, 2) NOT NULL,
    place int NOT NULL,
    score jsonb NOT NULL,
    facts jsonb NOT NULL,
    PRIMARY KEY (publication, revision, organisation),
    FOREIGN KEY (publication, revision) REFERENCES appraisal.publication
);

CREATE TABLE appraisal.evidence (
    publication text NOT NULL,
    revision int NOT NULL,
    organisation text NOT NULL,
    indicator text NOT NULL,
    position int NOT NULL,
    measure text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    good numeric NOT NULL,
    total numeric NOT NULL,
    href text NOT NULL,
    note text NOT NULL,
    PRIMARY KEY (publication, revision, organisation, indicator, position),
    FOREIGN KEY (publication, revision, organisation) REFERENCES appraisal.result
);

-- What departments file, and what the platform gives for it.
CREATE TABLE appraisal.filing (
    id text PRIMARY KEY,
    organisation text NOT NULL,
    set_name text NOT NULL,
    indicator text NOT NULL,
    start_on date NOT NULL,
    end_on date NOT NULL,
    wish jsonb NOT NULL,
    account text NOT NULL,
    filed_by text NOT NULL,                     -- the organisation of the account
    flow bigint NOT NULL,
    state text NOT NULL,
    version int NOT NULL,
    due_at timestamptz,
    given jsonb NOT NULL DEFAULT '[]',
    answer text NOT NULL DEFAULT '',
    filed_at timestamptz NOT NULL,
    decided_at timestamptz
);
CREATE INDEX filing_of ON appraisal.filing (organisation, id);

CREATE TABLE appraisal.appeal (
    id text PRIMARY KEY,
    organisation text NOT NULL,
    publication text NOT NULL,
    revision int NOT NULL,
    indicator text NOT NULL,
    wish jsonb NOT NULL,
    before numeric(6, 2) NOT NULL,
    account text NOT NULL,
    flow bigint NOT NULL,
    state text NOT NULL,
    version int NOT NULL,
    due_at timestamptz,
    points numeric(6, 2),
    answer text NOT NULL DEFAULT '',
    led_to int,                                 -- the revision that the decision made
    appealed_at timestamptz NOT NULL,
    decided_at timestamptz,
    FOREIGN KEY (publication, revision, organisation) REFERENCES appraisal.result
);
CREATE INDEX appeal_of ON appraisal.appeal (organisation, id);
CREATE UNIQUE INDEX appeal_open ON appraisal.appeal (publication, organisation, indicator) WHERE state = 'appealed';

-- Who was told what about a deadline.
CREATE TABLE appraisal.notice (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organisation text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    state text NOT NULL,
    addressee text NOT NULL,
    due_at timestamptz NOT NULL,
    at timestamptz NOT NULL,
    step int NOT NULL,
    UNIQUE (subject, state, kind, step, due_at)
);

-- That something was published, and the ranking as published, is known to every department; details only to its own.
ALTER TABLE appraisal.publication ENABLE ROW LEVEL SECURITY;
ALTER TABLE appraisal.publication FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON appraisal.publication FOR SELECT TO cityloom_app
    USING ((SELECT kernel.organisation()) IS NOT NULL);
CREATE POLICY made ON appraisal.publication TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE appraisal.result ENABLE ROW LEVEL SECURITY;
ALTER TABLE appraisal.result FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON appraisal.result FOR SELECT TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON appraisal.result TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE appraisal.evidence ENABLE ROW LEVEL SECURITY;
ALTER TABLE appraisal.evidence FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON appraisal.evidence FOR SELECT TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON appraisal.evidence TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE appraisal.filing ENABLE ROW LEVEL SECURITY;
ALTER TABLE appraisal.filing FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON appraisal.filing FOR SELECT TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON appraisal.filing TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE appraisal.appeal ENABLE ROW LEVEL SECURITY;
ALTER TABLE appraisal.appeal FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON appraisal.appeal FOR SELECT TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON appraisal.appeal TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE appraisal.notice ENABLE ROW LEVEL SECURITY;
ALTER TABLE appraisal.notice FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON appraisal.notice FOR SELECT TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON appraisal.notice TO cityloom_app USING ((SELECT kernel.sees_all()));

GRANT USAGE ON SCHEMA appraisal TO cityloom_app;
GRANT SELECT, INSERT ON appraisal.publication, appraisal.result, appraisal.evidence, appraisal.notice TO cityloom_app;
GRANT SELECT, INSERT, UPDATE ON appraisal.filing, appraisal.appeal TO cityloom_app;
