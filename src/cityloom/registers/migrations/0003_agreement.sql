-- Which sources of a register know how many of its entities, and on how many of them two contradict each other. Counted now
-- and then, in ranges of entities; a count replaces the one before when it is whole.
CREATE SEQUENCE registers.agreement_run AS bigint;
CREATE TABLE registers.agreement (
    register text PRIMARY KEY,
    run bigint NOT NULL,
    upto numeric NOT NULL,                      -- change rows and decisions that were in it when it was counted
    counted_at timestamptz NOT NULL
);
CREATE TABLE registers.tally (
    register text NOT NULL,
    run bigint NOT NULL,
    what text NOT NULL CHECK (what IN ('held', 'filled', 'compared')),
    field text NOT NULL,                        -- '' for all fields together
    left_dataset text NOT NULL,                 -- '' for all sources together
    right_dataset text NOT NULL,                -- of a pair; the names are in order
    entities bigint NOT NULL,
    differing bigint NOT NULL,                  -- of those that were compared
    PRIMARY KEY (register, run, what, field, left_dataset, right_dataset)
);
CREATE TABLE registers.difference (
    register text NOT NULL,
    run bigint NOT NULL,
    field text NOT NULL,
    left_dataset text NOT NULL,
    right_dataset text NOT NULL,
    entity bigint NOT NULL,
    PRIMARY KEY (register, run, field, left_dataset, right_dataset, entity)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON registers.agreement, registers.tally, registers.difference TO cityloom_app;
GRANT USAGE ON SEQUENCE registers.agreement_run TO cityloom_app;
ALTER TABLE registers.agreement ENABLE ROW LEVEL SECURITY;
ALTER TABLE registers.agreement FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON registers.agreement TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE registers.tally ENABLE ROW LEVEL SECURITY;
ALTER TABLE registers.tally FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON registers.tally TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE registers.difference ENABLE ROW LEVEL SECURITY;
ALTER TABLE registers.difference FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON registers.difference TO cityloom_app USING ((SELECT kernel.sees_all()));
