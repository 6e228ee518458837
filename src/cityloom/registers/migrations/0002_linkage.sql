-- What the linkage of a register learnt, and up to which entity it has looked.
CREATE TABLE registers.linkage (
    register text PRIMARY KEY,
    model text NOT NULL,                        -- digest of what was declared; with another one it learns anew
    trained text NOT NULL,
    entity bigint NOT NULL,                     -- entities up to this number were compared
    entities bigint NOT NULL,                   -- how many there were when it learnt
    linked_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON registers.linkage TO cityloom_app;
ALTER TABLE registers.linkage ENABLE ROW LEVEL SECURITY;
ALTER TABLE registers.linkage FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON registers.linkage TO cityloom_app USING ((SELECT kernel.sees_all()));
