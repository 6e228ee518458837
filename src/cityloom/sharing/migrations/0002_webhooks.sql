-- Subscriptions that are pushed: change rows of a grant go to the holder's address, page by page, in order.
CREATE TABLE sharing.webhook (
    id text PRIMARY KEY,
    granted text NOT NULL REFERENCES sharing.granted,
    organisation text NOT NULL,                 -- the holder of the grant
    keeper text NOT NULL,
    account text NOT NULL,                      -- who set it up: in its name the rows are used
    url text NOT NULL,
    case_reference text NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'held', 'stopped')),
    cursor bigint NOT NULL,                     -- everything up to this sequence was taken
    failures int NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL,
    sent_at timestamptz,
    last_error text NOT NULL DEFAULT ''
);
CREATE INDEX webhook_due ON sharing.webhook (next_at) WHERE state = 'active';

-- Pages that were not taken although they were sent time and again. Nothing after such a page is sent before it.
CREATE TABLE sharing.dead_letter (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook text NOT NULL REFERENCES sharing.webhook,
    organisation text NOT NULL,
    keeper text NOT NULL,
    since bigint NOT NULL,
    tries int NOT NULL,
    error text NOT NULL,
    at timestamptz NOT NULL
);

ALTER TABLE sharing.webhook ENABLE ROW LEVEL SECURITY;
ALTER TABLE sharing.webhook FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON sharing.webhook FOR SELECT TO cityloom_app
    USING ((SELECT kernel.organisation()) IN (organisation, keeper) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON sharing.webhook TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE sharing.dead_letter ENABLE ROW LEVEL SECURITY;
ALTER TABLE sharing.dead_letter FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON sharing.dead_letter FOR SELECT TO cityloom_app
    USING ((SELECT kernel.organisation()) IN (organisation, keeper) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON sharing.dead_letter TO cityloom_app USING ((SELECT kernel.sees_all()));

GRANT SELECT, INSERT, UPDATE ON sharing.webhook TO cityloom_app;
GRANT SELECT, INSERT ON sharing.dead_letter TO cityloom_app;
