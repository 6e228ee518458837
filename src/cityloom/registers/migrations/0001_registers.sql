-- Which datasets feed which register, and how far each was followed.
CREATE TABLE registers.feed (
    number smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    register text NOT NULL,
    dataset text NOT NULL,
    role text NOT NULL DEFAULT '',
    organisation text NOT NULL,                 -- the dataset's keeper
    sequence bigint NOT NULL DEFAULT 0,
    snapshot bigint,                            -- while the current state is being taken in: where it will go on from
    newest bigint NOT NULL DEFAULT 0,           -- the last entity that a record of it began
    followed_at timestamptz,
    UNIQUE (register, dataset, role)
);

-- What one source record said, from when it was known until it was not, and to which entity it belonged. A move to another
-- entity ends a claim and begins one that says the same, so what was known on any day stays readable.
CREATE SEQUENCE registers.entity AS bigint;
CREATE TABLE registers.claim (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    closed bigint NOT NULL DEFAULT 0,           -- 0 while it stands, then its own id: one standing claim for each record
    entity bigint NOT NULL,
    feed smallint NOT NULL,
    how smallint NOT NULL,                      -- 0 identifier, 1 alone, 2 linkage, 3 steward
    decision bigint,
    sequence bigint NOT NULL,                   -- the change row that brought it
    as_of date,
    since timestamptz NOT NULL,
    until timestamptz,
    key text NOT NULL,
    identifier text,                            -- register:kind:value
    delivery text NOT NULL,
    links text[],                               -- name:register:kind:value
    record text NOT NULL                        -- the whole source record as JSON: a grant's row filter may ask for any field
);
CREATE UNIQUE INDEX claim_source ON registers.claim (feed, key, closed);
CREATE INDEX claim_entity ON registers.claim (entity);
CREATE INDEX claim_identifier ON registers.claim (identifier) WHERE identifier IS NOT NULL;
CREATE INDEX claim_alone ON registers.claim (feed, id) WHERE how = 1 AND closed = 0;
CREATE INDEX claim_links ON registers.claim USING gin (links) WHERE closed = 0 AND links IS NOT NULL;

-- What a register holds, counted now and then: at twenty million people it takes a while.
CREATE TABLE registers.size (
    register text PRIMARY KEY,
    upto numeric NOT NULL,                      -- change rows and decisions that were in it when it was counted
    entities bigint NOT NULL,
    records bigint NOT NULL,
    alone bigint NOT NULL,
    linked bigint NOT NULL,
    counted_at timestamptz NOT NULL
);

-- Merges, splits, and what takes them back.
CREATE TABLE registers.decision (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    register text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('merge', 'split', 'undo')),
    from_entity bigint NOT NULL,
    into_entity bigint NOT NULL,
    at timestamptz NOT NULL,
    by text NOT NULL,
    reason text NOT NULL,
    undoes bigint UNIQUE REFERENCES registers.decision
);
CREATE INDEX decision_from ON registers.decision (from_entity, id);
CREATE TABLE registers.moved (
    decision bigint NOT NULL REFERENCES registers.decision,
    feed smallint NOT NULL,
    key text NOT NULL,
    from_entity bigint NOT NULL,
    into_entity bigint NOT NULL,
    PRIMARY KEY (decision, feed, key)
);
CREATE INDEX moved_record ON registers.moved (feed, key);

-- Two entities that may be one; a pair is asked about once.
CREATE TABLE registers.doubt (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    register text NOT NULL,
    left_entity bigint NOT NULL,
    right_entity bigint NOT NULL,
    probability double precision NOT NULL,
    why text NOT NULL,
    signs jsonb NOT NULL DEFAULT '[]',          -- what each field said to the linkage: name, level of agreement, bits
    state text NOT NULL DEFAULT 'open',
    opened_at timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    CHECK (left_entity < right_entity),
    UNIQUE (left_entity, right_entity)
);
CREATE INDEX doubt_open ON registers.doubt (register, id) WHERE state = 'open';
CREATE INDEX doubt_right ON registers.doubt (right_entity);

-- Who read a record, for which purpose and case, and which fields were shown.
CREATE SEQUENCE registers.reading_id AS bigint;
CREATE TABLE registers.reading (
    id bigint PRIMARY KEY,
    register text NOT NULL,
    entity bigint NOT NULL,
    at timestamptz NOT NULL,
    organisation text NOT NULL,
    account text NOT NULL,
    purpose text NOT NULL,
    case_reference text NOT NULL,
    fields text[] NOT NULL,
    request text NOT NULL,
    audit_position bigint NOT NULL
);
CREATE INDEX reading_entity ON registers.reading (entity, id);

GRANT USAGE ON SCHEMA registers TO cityloom_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON registers.feed, registers.claim, registers.size, registers.doubt TO cityloom_app;
GRANT SELECT, INSERT ON registers.decision, registers.moved, registers.reading TO cityloom_app;
GRANT DELETE ON registers.moved TO cityloom_app;
GRANT USAGE ON SEQUENCE registers.entity, registers.reading_id, registers.claim_id_seq TO cityloom_app;

-- Only the platform reaches them: what a reader may see is decided for each field by the grants of its source.
ALTER TABLE registers.feed ENABLE ROW LEVEL SECURITY;
ALTER TABLE registers.feed FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON registers.feed TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE registers.claim ENABLE ROW LEVEL SECURITY;
ALTER TABLE registers.claim FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON registers.claim TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE registers.size ENABLE ROW LEVEL SECURITY;
ALTER TABLE registers.size FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON registers.size TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE registers.decision ENABLE ROW LEVEL SECURITY;
ALTER TABLE registers.decision FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON registers.decision TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE registers.moved ENABLE ROW LEVEL SECURITY;
ALTER TABLE registers.moved FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON registers.moved TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE registers.doubt ENABLE ROW LEVEL SECURITY;
ALTER TABLE registers.doubt FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON registers.doubt TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE registers.reading ENABLE ROW LEVEL SECURITY;
ALTER TABLE registers.reading FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON registers.reading TO cityloom_app USING ((SELECT kernel.sees_all()));
