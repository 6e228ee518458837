-- Flows: definitions as they were when flows started, the flows, and every move, only ever appended.
CREATE TABLE kernel.flow_definition (
    digest text PRIMARY KEY,
    kind text NOT NULL,
    body text NOT NULL CHECK (body IS JSON OBJECT),
    recorded_at timestamptz NOT NULL
);

CREATE TABLE kernel.flow (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    subject text NOT NULL,
    organisation text NOT NULL,
    definition text NOT NULL REFERENCES kernel.flow_definition,
    UNIQUE (kind, subject, organisation)
);

-- The primary key is what makes two moves from one version impossible; the key of the caller, the same move twice.
CREATE TABLE kernel.flow_move (
    flow bigint NOT NULL REFERENCES kernel.flow,
    version int NOT NULL CHECK (version > 0),
    organisation text NOT NULL,
    move text NOT NULL,
    source text NOT NULL,
    target text NOT NULL,
    clock text NOT NULL CHECK (clock IN ('set', 'keep', 'suspend', 'resume', 'extend', 'stop')),
    by_amount int CHECK (by_amount > 0),
    by_unit text CHECK (by_unit IN ('working_days', 'calendar_days', 'working_hours')),
    actor text NOT NULL,
    role text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    key text NOT NULL CHECK (key <> ''),
    due_at timestamptz,
    PRIMARY KEY (flow, version),
    UNIQUE (flow, key),
    CHECK ((clock = 'extend') = (by_amount IS NOT NULL) AND (by_amount IS NULL) = (by_unit IS NULL))
);

-- Where each flow stands, worked out from its moves, to be locked and searched: the moves are the truth.
CREATE TABLE kernel.flow_standing (
    flow bigint PRIMARY KEY REFERENCES kernel.flow,
    organisation text NOT NULL,
    kind text NOT NULL,
    version int NOT NULL,
    state text NOT NULL,
    suspended boolean NOT NULL,
    due_at timestamptz,
    next_at timestamptz,  -- the next alarm that has not been handled
    calendar text         -- digest of the calendar a running clock was counted on
);
CREATE INDEX flow_standing_next ON kernel.flow_standing (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX flow_standing_list ON kernel.flow_standing (kind, state, flow);

-- Who has been told: once for each alarm of a clock (the version that set it) and of the deadline it had.
CREATE TABLE kernel.flow_notice (
    flow bigint NOT NULL REFERENCES kernel.flow,
    clock int NOT NULL,
    due_at timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('warning', 'overdue', 'escalation')),
    step int NOT NULL,
    organisation text NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (flow, clock, due_at, kind, step)
);

GRANT SELECT, INSERT ON kernel.flow_definition, kernel.flow, kernel.flow_move, kernel.flow_notice TO cityloom_app;
GRANT SELECT, INSERT, UPDATE ON kernel.flow_standing TO cityloom_app;

-- A flow is seen by the organisation it belongs to, and by the platform.
ALTER TABLE kernel.flow ENABLE ROW LEVEL SECURITY;
ALTER TABLE kernel.flow FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.flow_move ENABLE ROW LEVEL SECURITY;
ALTER TABLE kernel.flow_move FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.flow_standing ENABLE ROW LEVEL SECURITY;
ALTER TABLE kernel.flow_standing FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.flow_notice ENABLE ROW LEVEL SECURITY;
ALTER TABLE kernel.flow_notice FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON kernel.flow TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY own ON kernel.flow_move TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY own ON kernel.flow_standing TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY own ON kernel.flow_notice TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
