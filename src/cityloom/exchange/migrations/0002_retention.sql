-- A deletion that was begun: its lake commit may or may not have happened. The lane of the dataset lets there be one.
CREATE TABLE exchange.deletion_intent (
    dataset text PRIMARY KEY REFERENCES exchange.dataset,
    organisation text NOT NULL,                 -- the dataset's keeper
    account text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('records', 'changes', 'quarantine', 'erasure')),
    legal_basis text NOT NULL,
    before timestamptz,
    message text NOT NULL,                      -- message of the lake commit
    begun_at timestamptz NOT NULL
);
ALTER TABLE exchange.deletion_intent ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.deletion_intent FORCE ROW LEVEL SECURITY;
-- whoever commits to a dataset must see that it has an unfinished deletion; the row tells nothing of a person
CREATE POLICY seen ON exchange.deletion_intent FOR SELECT TO cityloom_app
    USING ((SELECT kernel.organisation()) IS NOT NULL);
CREATE POLICY own ON exchange.deletion_intent TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
GRANT SELECT, INSERT, DELETE, UPDATE ON exchange.deletion_intent TO cityloom_app;

-- when the dataset's files were rewritten without the deleted rows, and `files` was complete
ALTER TABLE exchange.deletion ADD COLUMN rewritten_at timestamptz;
ALTER TABLE exchange.deletion ADD COLUMN account text NOT NULL DEFAULT '';
CREATE INDEX deletion_open ON exchange.deletion (dataset) WHERE files_gone_at IS NULL;
