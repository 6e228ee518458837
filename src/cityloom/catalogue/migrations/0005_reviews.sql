-- Drafts: what is to become of a resource, edited by its keeper and reviewed before it is in force.
CREATE TABLE catalogue.draft (
    id text PRIMARY KEY,
    organisation text NOT NULL,             -- the keeper
    reviewer text NOT NULL DEFAULT '',      -- the organisation it was submitted to; empty while it is edited
    resource text NOT NULL,
    record jsonb,                           -- null: the resource is to be retired
    based_on text NOT NULL,                 -- digest of what was in force when it was written; empty: nothing
    effective_on date,
    reason text NOT NULL,
    account text NOT NULL,                  -- who wrote it last
    flow bigint NOT NULL,                   -- its moves are in kernel.flow; here is where it stands
    state text NOT NULL,
    version int NOT NULL,
    due_at timestamptz,
    made_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX draft_open ON catalogue.draft (resource) WHERE state IN ('editing', 'submitted', 'approved');
CREATE INDEX draft_organisation ON catalogue.draft (organisation, id);

-- Disputes about who answers for an item (数源争议).
CREATE TABLE catalogue.dispute (
    id text PRIMARY KEY,
    organisation text NOT NULL,             -- who claims the item
    holder text NOT NULL,                   -- who answers for it
    reviewer text NOT NULL,                 -- who rules
    resource text NOT NULL REFERENCES catalogue.resource,
    held_by text NOT NULL REFERENCES catalogue.resource,
    subject text NOT NULL,
    item text NOT NULL,
    qualifier text NOT NULL,
    concepts text[] NOT NULL,
    law text NOT NULL,
    reason text NOT NULL,
    answer_law text NOT NULL DEFAULT '',
    answer text NOT NULL DEFAULT '',
    ruling_law text NOT NULL DEFAULT '',
    ruling text NOT NULL DEFAULT '',
    account text NOT NULL,
    answered_by text NOT NULL DEFAULT '',
    flow bigint NOT NULL,
    state text NOT NULL,
    version int NOT NULL,
    due_at timestamptz,
    made_at timestamptz NOT NULL,
    decided_at timestamptz
);
CREATE UNIQUE INDEX dispute_open ON catalogue.dispute (resource, item, qualifier) WHERE state IN ('stated', 'answered');

ALTER TABLE catalogue.draft ENABLE ROW LEVEL SECURITY;
ALTER TABLE catalogue.draft FORCE ROW LEVEL SECURITY;
ALTER TABLE catalogue.dispute ENABLE ROW LEVEL SECURITY;
ALTER TABLE catalogue.dispute FORCE ROW LEVEL SECURITY;
-- each party reads its own; a move touches what belongs to several, so it is written in the platform's scope
CREATE POLICY seen ON catalogue.draft FOR SELECT TO cityloom_app
    USING ((SELECT kernel.organisation()) IN (organisation, reviewer) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON catalogue.draft TO cityloom_app USING ((SELECT kernel.sees_all()));
CREATE POLICY seen ON catalogue.dispute FOR SELECT TO cityloom_app
    USING ((SELECT kernel.organisation()) IN (organisation, holder, reviewer) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON catalogue.dispute TO cityloom_app USING ((SELECT kernel.sees_all()));
GRANT SELECT, INSERT, UPDATE ON catalogue.draft, catalogue.dispute TO cityloom_app;
