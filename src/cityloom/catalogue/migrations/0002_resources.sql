-- Information resources (信息资源): what a department keeps, described as the compilation guide asks.
-- A row is the revision in force; every revision stays in resource_revision, numbered over the whole catalogue.
CREATE TABLE catalogue.resource (
    id text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9_~-]{0,127}$'),
    organisation text NOT NULL, -- the keeper
    code text NOT NULL UNIQUE,
    revision int NOT NULL,
    sequence bigint NOT NULL,
    record jsonb NOT NULL,
    digest text NOT NULL,
    grade int NOT NULL CHECK (grade BETWEEN 1 AND 4),
    dataset text, -- the dataset that the resource is, where a pack declares one
    source text NOT NULL DEFAULT '', -- the catalogue that reported it; empty: this one
    changed_at timestamptz NOT NULL,
    retired_at timestamptz
);
CREATE INDEX resource_organisation ON catalogue.resource (organisation, id);

CREATE TABLE catalogue.resource_revision (
    sequence bigint PRIMARY KEY,
    resource text NOT NULL,
    revision int NOT NULL,
    organisation text NOT NULL,
    code text NOT NULL,
    record jsonb NOT NULL,
    digest text NOT NULL,
    grade int NOT NULL,
    breaking boolean NOT NULL,
    cause text NOT NULL,
    actor text NOT NULL,
    at timestamptz NOT NULL,
    UNIQUE (resource, revision)
);

-- The last sequence; its row is locked by whoever writes, so that numbers become visible in their order.
CREATE TABLE catalogue.last_change (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    sequence bigint NOT NULL
);
INSERT INTO catalogue.last_change (sequence) VALUES (0);

CREATE TABLE catalogue.code_counter (
    category text PRIMARY KEY,
    last bigint NOT NULL
);

-- 一数一源: the one resource whose keeper answers for an item. `concept` is its name or its data element.
CREATE TABLE catalogue.item_source (
    subject text NOT NULL,
    concept text NOT NULL,
    resource text NOT NULL REFERENCES catalogue.resource,
    organisation text NOT NULL,
    item text NOT NULL,
    PRIMARY KEY (subject, concept)
);
CREATE INDEX item_source_resource ON catalogue.item_source (resource);

-- A breaking change that is announced and not yet in force.
CREATE TABLE catalogue.announcement (
    resource text PRIMARY KEY REFERENCES catalogue.resource,
    organisation text NOT NULL,
    record jsonb, -- null: the resource will be retired
    reason text NOT NULL,
    announced_at timestamptz NOT NULL,
    effective_on date NOT NULL,
    actor text NOT NULL
);

CREATE TABLE catalogue.follower (
    resource text NOT NULL REFERENCES catalogue.resource,
    organisation text NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (resource, organisation)
);

-- 需求清单: what departments need and do not have.
CREATE TABLE catalogue.demand (
    id text PRIMARY KEY,
    organisation text NOT NULL,
    title text NOT NULL,
    purpose text NOT NULL,
    legal_basis text NOT NULL,
    items text[] NOT NULL,
    resource text REFERENCES catalogue.resource,
    state text NOT NULL CHECK (state IN ('open', 'met', 'refused', 'withdrawn')),
    answer text NOT NULL DEFAULT '',
    made_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);

-- 级联: catalogues that report here, and how far each has got.
CREATE TABLE catalogue.partner (
    catalogue text PRIMARY KEY,
    organisation text NOT NULL,
    last_sequence bigint NOT NULL,
    heard_at timestamptz NOT NULL
);

-- What search reads. Without row security, which would keep the index from being used; nothing in it is secret.
CREATE TABLE catalogue.search (
    id text PRIMARY KEY,
    keeper text NOT NULL,
    sharing text NOT NULL,
    openness text NOT NULL,
    subject text NOT NULL,
    category text NOT NULL,
    grade int NOT NULL,
    title text NOT NULL,
    texts text NOT NULL,
    words tsvector NOT NULL
);
CREATE INDEX search_words ON catalogue.search USING gin (words) WITH (fastupdate = off);
CREATE INDEX search_keeper ON catalogue.search (keeper, id);

-- How many entries have a term; a Latin word has its letter groups, so that a misspelled one finds it.
CREATE TABLE catalogue.term (
    term text PRIMARY KEY,
    entries int NOT NULL,
    parts text[] NOT NULL DEFAULT '{}'
);
CREATE INDEX term_parts ON catalogue.term USING gin (parts) WITH (fastupdate = off);

ALTER TABLE catalogue.resource ENABLE ROW LEVEL SECURITY;
ALTER TABLE catalogue.resource FORCE ROW LEVEL SECURITY;
ALTER TABLE catalogue.resource_revision ENABLE ROW LEVEL SECURITY;
ALTER TABLE catalogue.resource_revision FORCE ROW LEVEL SECURITY;
ALTER TABLE catalogue.item_source ENABLE ROW LEVEL SECURITY;
ALTER TABLE catalogue.item_source FORCE ROW LEVEL SECURITY;
ALTER TABLE catalogue.announcement ENABLE ROW LEVEL SECURITY;
ALTER TABLE catalogue.announcement FORCE ROW LEVEL SECURITY;
ALTER TABLE catalogue.follower ENABLE ROW LEVEL SECURITY;
ALTER TABLE catalogue.follower FORCE ROW LEVEL SECURITY;
ALTER TABLE catalogue.demand ENABLE ROW LEVEL SECURITY;
ALTER TABLE catalogue.demand FORCE ROW LEVEL SECURITY;
ALTER TABLE catalogue.partner ENABLE ROW LEVEL SECURITY;
ALTER TABLE catalogue.partner FORCE ROW LEVEL SECURITY;

-- what exists, what is needed and who answers for what is known to every department; only the keeper writes
CREATE POLICY seen ON catalogue.resource FOR SELECT TO cityloom_app USING ((SELECT kernel.organisation()) IS NOT NULL);
CREATE POLICY seen ON catalogue.resource_revision FOR SELECT TO cityloom_app USING ((SELECT kernel.organisation()) IS NOT NULL);
CREATE POLICY seen ON catalogue.item_source FOR SELECT TO cityloom_app USING ((SELECT kernel.organisation()) IS NOT NULL);
CREATE POLICY seen ON catalogue.announcement FOR SELECT TO cityloom_app USING ((SELECT kernel.organisation()) IS NOT NULL);
CREATE POLICY seen ON catalogue.demand FOR SELECT TO cityloom_app USING ((SELECT kernel.organisation()) IS NOT NULL);
CREATE POLICY own ON catalogue.resource TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY own ON catalogue.resource_revision TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY own ON catalogue.item_source TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY own ON catalogue.announcement TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY own ON catalogue.follower TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY own ON catalogue.demand TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY own ON catalogue.partner TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));

GRANT SELECT, INSERT, UPDATE ON catalogue.resource, catalogue.code_counter, catalogue.demand, catalogue.partner TO cityloom_app;
GRANT SELECT, INSERT ON catalogue.resource_revision TO cityloom_app;
GRANT SELECT, UPDATE ON catalogue.last_change TO cityloom_app;
GRANT SELECT, INSERT, DELETE ON catalogue.item_source, catalogue.follower TO cityloom_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON catalogue.announcement, catalogue.search, catalogue.term TO cityloom_app;
