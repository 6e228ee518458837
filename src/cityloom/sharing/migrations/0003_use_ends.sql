-- What a streamed use came to. The use itself was kept before its first row; this is added when its last one was sent.
CREATE TABLE sharing.use_end (
    granted text NOT NULL,
    id text NOT NULL,
    organisation text NOT NULL,
    keeper text NOT NULL,
    rows bigint NOT NULL,
    complete boolean NOT NULL,                  -- false: given up by its reader, or cut off when the grant ended
    at timestamptz NOT NULL,
    audit_position bigint NOT NULL,
    PRIMARY KEY (granted, id),
    FOREIGN KEY (granted, id) REFERENCES sharing.use (granted, id)
);
ALTER TABLE sharing.use_end ENABLE ROW LEVEL SECURITY;
ALTER TABLE sharing.use_end FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON sharing.use_end FOR SELECT TO cityloom_app
    USING ((SELECT kernel.organisation()) IN (organisation, keeper) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON sharing.use_end TO cityloom_app
    USING ((SELECT kernel.sees_all()));
GRANT SELECT, INSERT ON sharing.use_end TO cityloom_app;
