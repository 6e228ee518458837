-- Messages of MQTT that brought no moment of their own and may come again: what they were called, for a little while.
CREATE TABLE sensing.message_marks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    marks bigint[] NOT NULL                     -- 64 bits of a hash over sender, packet, topic and payload
);
CREATE INDEX message_marks_at ON sensing.message_marks (at);
ALTER TABLE sensing.message_marks ENABLE ROW LEVEL SECURITY;
ALTER TABLE sensing.message_marks FORCE ROW LEVEL SECURITY;
-- They say nothing of anybody's data; written in the transaction of whoever keeps the message.
CREATE POLICY scoped ON sensing.message_marks TO cityloom_app USING ((SELECT kernel.organisation()) IS NOT NULL);
GRANT SELECT, INSERT, DELETE ON sensing.message_marks TO cityloom_app;
