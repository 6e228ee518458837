-- What was asked of registers and datasets about somebody, and what was answered: yes, no, unknown or refused, and no value.
CREATE TABLE facts.asked (
    id text PRIMARY KEY,                        -- grows with time
    list text NOT NULL,
    organisation text NOT NULL,
    account text NOT NULL,
    purpose text NOT NULL,
    case_reference text NOT NULL,
    consent text NOT NULL,
    consent_at timestamptz NOT NULL,
    answers jsonb NOT NULL,                     -- fact: outcome
    papers_asked int NOT NULL,
    statement text NOT NULL,                    -- SHA-256 of what was signed
    audit_position bigint NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX asked_organisation ON facts.asked (organisation, id);

-- About whom: the register's number of somebody, in which there is no number of a person.
CREATE TABLE facts.about (
    register text NOT NULL,
    entity text NOT NULL,
    asked text NOT NULL REFERENCES facts.asked,
    role text NOT NULL,
    PRIMARY KEY (register, entity, asked, role)
);

GRANT USAGE ON SCHEMA facts TO cityloom_app;
GRANT SELECT, INSERT ON facts.asked, facts.about TO cityloom_app;

-- Who asked sees what it asked; about whom it was, only the platform, which asks the register's policies first.
ALTER TABLE facts.asked ENABLE ROW LEVEL SECURITY;
ALTER TABLE facts.asked FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON facts.asked FOR SELECT TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY made ON facts.asked TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE facts.about ENABLE ROW LEVEL SECURITY;
ALTER TABLE facts.about FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON facts.about TO cityloom_app USING ((SELECT kernel.sees_all()));
