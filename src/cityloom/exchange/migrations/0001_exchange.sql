-- One row per dataset that some active pack declares. The lake holds the records; this holds where they stand.
CREATE TABLE exchange.dataset (
    name text PRIMARY KEY,
    organisation text NOT NULL,                 -- its keeper
    spec jsonb NOT NULL,                        -- the resolved declaration, as last installed
    spec_digest text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    last_sequence bigint NOT NULL DEFAULT 0,    -- highest sequence number given out
    floor_sequence bigint NOT NULL DEFAULT 0,   -- change rows up to here are past their retention
    installed_at timestamptz NOT NULL
);

-- One row per delivery id: claimed before the first byte is read, decided once.
CREATE TABLE exchange.delivery (
    dataset text NOT NULL REFERENCES exchange.dataset,
    id text NOT NULL,
    organisation text NOT NULL,                 -- who delivers
    account text NOT NULL,
    keeper text NOT NULL,
    state text NOT NULL CHECK (state IN ('receiving', 'received', 'committing', 'accepted', 'refused', 'withdrawing', 'withdrawn')),
    mode text NOT NULL CHECK (mode IN ('append', 'upsert', 'replace', 'delete')),
    media text NOT NULL DEFAULT '',
    encoding text NOT NULL DEFAULT '',
    charset text NOT NULL DEFAULT '',
    file_name text NOT NULL DEFAULT '',
    corrects text,
    as_of date,
    language text NOT NULL,
    declared_rows bigint,
    declared_sha256 text,
    bytes bigint,
    sha256 text,
    spool text,
    attempt int NOT NULL DEFAULT 1,
    lease_until timestamptz NOT NULL,
    claimed_at timestamptz NOT NULL,
    received_at timestamptz,
    decided_at timestamptz,
    rows_in bigint, accepted bigint, quarantined bigint, duplicates bigint,
    inserted bigint, updated bigint, deleted bigint,
    deletes_held boolean NOT NULL DEFAULT false,
    first_sequence bigint, last_sequence bigint, snapshot bigint,
    columns jsonb,                              -- the header as it came, to give quarantined rows back in it
    refusal jsonb,                              -- {code, params} of a delivery refused whole
    audit_position bigint,
    receipt bytea,                              -- the signed bytes
    signature jsonb,
    withdrawn_at timestamptz, withdrawn_why text, withdrawn_rows bigint,
    PRIMARY KEY (dataset, id)
);
CREATE INDEX delivery_undecided ON exchange.delivery (state, lease_until) WHERE state IN ('receiving', 'received', 'committing', 'withdrawing');
CREATE INDEX delivery_day ON exchange.delivery (dataset, received_at);

-- Periods in which a dataset was not delivered in time.
CREATE TABLE exchange.overdue (
    dataset text NOT NULL REFERENCES exchange.dataset,
    organisation text NOT NULL,
    period_end date NOT NULL,
    due_at timestamptz NOT NULL,
    found_at timestamptz NOT NULL,
    settled_at timestamptz,
    PRIMARY KEY (dataset, period_end)
);

-- What was deleted for good, why, and the proof that the files are gone.
CREATE TABLE exchange.deletion (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset text NOT NULL REFERENCES exchange.dataset,
    organisation text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('records', 'changes', 'quarantine', 'erasure')),
    legal_basis text NOT NULL,
    before timestamptz,
    rows bigint NOT NULL,
    keys_digest text NOT NULL,
    done_at timestamptz NOT NULL,
    files jsonb NOT NULL DEFAULT '[]',          -- lake files that held the rows
    files_gone_at timestamptz,                  -- when none of them existed any more
    audit_position bigint NOT NULL
);

-- Scheduled pulls: what was fetched last, so that a pull goes on where the last one ended.
CREATE TABLE exchange.pull (
    name text PRIMARY KEY,
    dataset text NOT NULL,
    organisation text NOT NULL,
    spec jsonb NOT NULL,
    active boolean NOT NULL DEFAULT true,
    state bytea,
    delivered bigint NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL,
    last_at timestamptz,
    last_outcome text NOT NULL DEFAULT '',
    failures int NOT NULL DEFAULT 0
);

ALTER TABLE exchange.dataset ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.dataset FORCE ROW LEVEL SECURITY;
-- what datasets exist is no secret between departments; only the platform installs them
CREATE POLICY seen ON exchange.dataset FOR SELECT TO cityloom_app USING ((SELECT kernel.organisation()) IS NOT NULL);
CREATE POLICY kept ON exchange.dataset TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
ALTER TABLE exchange.delivery ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.delivery FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON exchange.delivery TO cityloom_app
    USING ((SELECT kernel.organisation()) IN (organisation, keeper) OR (SELECT kernel.sees_all()));
ALTER TABLE exchange.overdue ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.overdue FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON exchange.overdue TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
ALTER TABLE exchange.deletion ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.deletion FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON exchange.deletion TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
ALTER TABLE exchange.pull ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.pull FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON exchange.pull TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));

GRANT USAGE ON SCHEMA exchange TO cityloom_app;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA exchange TO cityloom_app;
