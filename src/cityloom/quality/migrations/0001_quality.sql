-- A ticket names both parties, and who rules on it once it is contested; these see it, and the platform.
CREATE TABLE quality.ticket (
    id text PRIMARY KEY,
    organisation text NOT NULL,                 -- who disputes; '*' for the platform itself
    keeper text NOT NULL,                       -- who answers
    arbiter text NOT NULL DEFAULT '',           -- who rules; empty until it is contested
    account text NOT NULL,
    dataset text NOT NULL,
    key text[],                                 -- as the record writes it; NULL once it is forgotten
    key_digest text NOT NULL,                   -- the keyed hash that the uses of the record have
    field text NOT NULL,
    wish jsonb,                                 -- the dispute as it was sent; NULL once it is forgotten
    wish_digest text NOT NULL,                  -- keyed hash of the dispute, so that it can be told from another for ever
    flow bigint NOT NULL,                       -- its moves, in kernel.flow, belong to the keeper; here is where it stands
    state text NOT NULL,
    version int NOT NULL,
    due_at timestamptz,
    answer_due_at timestamptz,                  -- deadline of the keeper's last answer, and when it gave it
    answered_at timestamptz,
    answer text NOT NULL DEFAULT '',
    law text NOT NULL DEFAULT '',
    answer_evidence text NOT NULL DEFAULT '',
    opened_at timestamptz NOT NULL,
    sequence bigint NOT NULL,                   -- the change row up to which the disputer knew the record
    followed bigint NOT NULL,                   -- up to here the change rows were looked through
    closed_at timestamptz,
    closed_sequence bigint,
    delivery text NOT NULL DEFAULT '',
    removed boolean NOT NULL DEFAULT false
);
CREATE INDEX ticket_disputer ON quality.ticket (organisation, id);
CREATE INDEX ticket_keeper ON quality.ticket (keeper, id);
CREATE INDEX ticket_followed ON quality.ticket (dataset, followed) WHERE key IS NOT NULL;
CREATE INDEX ticket_closed ON quality.ticket (closed_at);

-- Who was told what about a deadline.
CREATE TABLE quality.notice (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ticket text NOT NULL REFERENCES quality.ticket,
    organisation text NOT NULL,
    keeper text NOT NULL,
    arbiter text NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    addressee text NOT NULL,
    due_at timestamptz NOT NULL,
    at timestamptz NOT NULL,
    step int NOT NULL,
    UNIQUE (ticket, state, kind, step, due_at)
);

-- What was corrected, told to each organisation that has the field or asked for it lately. No value, and not whose ticket.
CREATE TABLE quality.correction (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organisation text NOT NULL,
    keeper text NOT NULL,
    dataset text NOT NULL,
    field text NOT NULL,
    key_digest text NOT NULL,
    key text[],                                 -- only if a grant lets the organisation read it
    sequence bigint NOT NULL,
    removed boolean NOT NULL,
    at timestamptz NOT NULL,
    UNIQUE (organisation, dataset, field, key_digest, sequence)
);
CREATE INDEX correction_reader ON quality.correction (organisation, id);

-- One row for each dataset, day and dimension (part ''), and for what it was counted from.
CREATE TABLE quality.score (
    dataset text NOT NULL,
    day date NOT NULL,
    dimension text NOT NULL,
    part text NOT NULL,
    organisation text NOT NULL,                 -- the keeper
    good bigint NOT NULL,
    total bigint NOT NULL,
    computed_at timestamptz NOT NULL,
    PRIMARY KEY (dataset, day, dimension, part)
);
CREATE INDEX score_day ON quality.score (day, dataset) WHERE part = '';

ALTER TABLE quality.ticket ENABLE ROW LEVEL SECURITY;
ALTER TABLE quality.ticket FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON quality.ticket FOR SELECT TO cityloom_app
    USING ((SELECT kernel.organisation()) IN (organisation, keeper, arbiter) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON quality.ticket TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE quality.notice ENABLE ROW LEVEL SECURITY;
ALTER TABLE quality.notice FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON quality.notice FOR SELECT TO cityloom_app
    USING ((SELECT kernel.organisation()) IN (organisation, keeper, arbiter) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON quality.notice TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE quality.correction ENABLE ROW LEVEL SECURITY;
ALTER TABLE quality.correction FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON quality.correction FOR SELECT TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON quality.correction TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE quality.score ENABLE ROW LEVEL SECURITY;
ALTER TABLE quality.score FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON quality.score FOR SELECT TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON quality.score TO cityloom_app USING ((SELECT kernel.sees_all()));

GRANT USAGE ON SCHEMA quality TO cityloom_app;
GRANT SELECT, INSERT, UPDATE ON quality.ticket TO cityloom_app;
GRANT SELECT, INSERT ON quality.notice TO cityloom_app;
GRANT SELECT, INSERT, UPDATE ON quality.correction TO cityloom_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON quality.score TO cityloom_app;
