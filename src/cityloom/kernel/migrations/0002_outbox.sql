-- Events leave through here: written in the transaction of the act, handed out in order after its commit.
CREATE TABLE kernel.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    body jsonb NOT NULL,
    recorded_at timestamptz NOT NULL,
    -- transactions commit out of id order; readers stay behind the oldest one still running
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX outbox_order ON kernel.outbox (transaction_id, id);

CREATE TABLE kernel.outbox_cursor (
    listener text PRIMARY KEY,
    transaction_id xid8 NOT NULL,
    id bigint NOT NULL
);
GRANT SELECT, INSERT, DELETE ON kernel.outbox TO cityloom_app;
GRANT SELECT, INSERT, UPDATE ON kernel.outbox_cursor TO cityloom_app;

-- Anyone with a scope announces; only the platform, which hands events out, reads what others announced.
ALTER TABLE kernel.outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE kernel.outbox FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.outbox_cursor ENABLE ROW LEVEL SECURITY;
ALTER TABLE kernel.outbox_cursor FORCE ROW LEVEL SECURITY;
CREATE POLICY announced ON kernel.outbox FOR INSERT TO cityloom_app
    WITH CHECK ((SELECT kernel.organisation()) IS NOT NULL);
CREATE POLICY platform ON kernel.outbox TO cityloom_app USING ((SELECT kernel.sees_all()));
CREATE POLICY platform ON kernel.outbox_cursor TO cityloom_app USING ((SELECT kernel.sees_all()));
