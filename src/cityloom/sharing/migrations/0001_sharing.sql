-- Requests, grants and uses name both parties; each sees what it is a party to, and the platform sees all.
CREATE TABLE sharing.request (
    id text PRIMARY KEY,
    organisation text NOT NULL,                 -- who asks
    keeper text NOT NULL,                       -- who decides
    dataset text NOT NULL,
    account text NOT NULL,
    purpose text NOT NULL,
    legal_basis text NOT NULL,
    reason text NOT NULL,
    wish jsonb NOT NULL,
    offer jsonb,
    flow bigint NOT NULL,                       -- its moves, in kernel.flow, belong to the keeper; here is where it stands
    state text NOT NULL,
    version int NOT NULL,
    due_at timestamptz,
    answer text NOT NULL DEFAULT '',
    law text NOT NULL DEFAULT '',
    renews text NOT NULL DEFAULT '',
    granted text NOT NULL DEFAULT '',
    asked_at timestamptz NOT NULL,
    decided_at timestamptz
);
CREATE INDEX request_asker ON sharing.request (organisation, id);
CREATE INDEX request_keeper ON sharing.request (keeper, id);

CREATE TABLE sharing.granted (
    id text PRIMARY KEY,                        -- that of the request it came from
    request text NOT NULL REFERENCES sharing.request,
    organisation text NOT NULL,                 -- who may read
    keeper text NOT NULL,
    dataset text NOT NULL,
    purpose text NOT NULL,
    legal_basis text NOT NULL,
    terms jsonb NOT NULL,
    flow bigint NOT NULL,
    state text NOT NULL,
    version int NOT NULL,                       -- grows with every change; a process that holds an older one reads anew
    valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    certify_by timestamptz,
    ended_at timestamptz,
    ended_why text NOT NULL DEFAULT ''
);
CREATE INDEX granted_reader ON sharing.granted (organisation, id);
CREATE INDEX granted_keeper ON sharing.granted (keeper, id);
CREATE INDEX granted_active ON sharing.granted (valid_until) WHERE state = 'active';

-- What a grant used of its quotas: one row for each, updated with every group of uses.
CREATE TABLE sharing.meter (
    granted text PRIMARY KEY,
    organisation text NOT NULL,
    keeper text NOT NULL,
    day date NOT NULL,
    in_day int NOT NULL,
    minute timestamptz NOT NULL,
    in_minute int NOT NULL,
    used_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Every use, written in the transaction that is committed before its answer. Only ever appended.
CREATE TABLE sharing.use (
    granted text NOT NULL,
    id text NOT NULL,                           -- grows with time
    organisation text NOT NULL,
    keeper text NOT NULL,
    dataset text NOT NULL,
    at timestamptz NOT NULL,
    account text NOT NULL,
    way text NOT NULL CHECK (way IN ('query', 'verify', 'changes', 'records', 'counts')),
    purpose text NOT NULL,
    case_reference text NOT NULL,
    fields text[] NOT NULL,
    key_digest text NOT NULL,                   -- keyed hash of the record's key; '' for whole datasets
    found boolean,
    rows bigint,
    sequence bigint NOT NULL,
    request text NOT NULL,
    audit_position bigint NOT NULL,
    PRIMARY KEY (granted, id)
);
CREATE INDEX use_of_record ON sharing.use (dataset, key_digest) WHERE key_digest <> '';

-- Who was told what about a deadline.
CREATE TABLE sharing.notice (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organisation text NOT NULL,
    keeper text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    state text NOT NULL,
    addressee text NOT NULL,
    due_at timestamptz NOT NULL,
    at timestamptz NOT NULL,
    step int NOT NULL,
    UNIQUE (subject, state, kind, step, due_at)
);

-- Copies of datasets for single-record questions. A rebuild fills another generation beside the one that answers.
CREATE TABLE sharing.projection (
    dataset text PRIMARY KEY,
    number int GENERATED ALWAYS AS IDENTITY UNIQUE,
    organisation text NOT NULL,                 -- the dataset's keeper
    generation int NOT NULL DEFAULT 0,          -- the one that answers; 0: none yet
    sequence bigint NOT NULL DEFAULT 0,
    building int,                               -- the generation that is being filled
    oldest int NOT NULL DEFAULT 1,              -- generations below the current one down to this may have rows left
    followed_at timestamptz
);

CREATE TABLE sharing.record (
    dataset int NOT NULL,
    generation int NOT NULL,
    key text NOT NULL,
    row text NOT NULL,                          -- the record as JSON
    PRIMARY KEY (dataset, generation, key)
);

ALTER TABLE sharing.request ENABLE ROW LEVEL SECURITY;
ALTER TABLE sharing.request FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON sharing.request FOR SELECT TO cityloom_app
    USING ((SELECT kernel.organisation()) IN (organisation, keeper) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON sharing.request TO cityloom_app
    USING ((SELECT kernel.sees_all()));
ALTER TABLE sharing.granted ENABLE ROW LEVEL SECURITY;
ALTER TABLE sharing.granted FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON sharing.granted FOR SELECT TO cityloom_app
    USING ((SELECT kernel.organisation()) IN (organisation, keeper) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON sharing.granted TO cityloom_app
    USING ((SELECT kernel.sees_all()));
ALTER TABLE sharing.meter ENABLE ROW LEVEL SECURITY;
ALTER TABLE sharing.meter FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON sharing.meter FOR SELECT TO cityloom_app
    USING ((SELECT kernel.organisation()) IN (organisation, keeper) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON sharing.meter TO cityloom_app
    USING ((SELECT kernel.sees_all()));
ALTER TABLE sharing.use ENABLE ROW LEVEL SECURITY;
ALTER TABLE sharing.use FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON sharing.use FOR SELECT TO cityloom_app
    USING ((SELECT kernel.organisation()) IN (organisation, keeper) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON sharing.use TO cityloom_app
    USING ((SELECT kernel.sees_all()));
ALTER TABLE sharing.notice ENABLE ROW LEVEL SECURITY;
ALTER TABLE sharing.notice FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON sharing.notice FOR SELECT TO cityloom_app
    USING ((SELECT kernel.organisation()) IN (organisation, keeper) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON sharing.notice TO cityloom_app
    USING ((SELECT kernel.sees_all()));
ALTER TABLE sharing.projection ENABLE ROW LEVEL SECURITY;
ALTER TABLE sharing.projection FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON sharing.projection TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
ALTER TABLE sharing.record ENABLE ROW LEVEL SECURITY;
ALTER TABLE sharing.record FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON sharing.record TO cityloom_app USING ((SELECT kernel.sees_all()));

GRANT USAGE ON SCHEMA sharing TO cityloom_app;
GRANT SELECT, INSERT ON sharing.use, sharing.notice TO cityloom_app;
GRANT SELECT, INSERT, UPDATE ON sharing.request, sharing.granted, sharing.meter, sharing.projection TO cityloom_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON sharing.record TO cityloom_app;
