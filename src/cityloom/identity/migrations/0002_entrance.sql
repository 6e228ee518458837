-- From where, and with which client certificates, an organisation comes in. No row: from anywhere, with a token or session.
-- `guarded` says whether there is such a row, so that requests of all others need not look
ALTER TABLE identity.organisation ADD COLUMN guarded boolean NOT NULL DEFAULT false;
CREATE TABLE identity.entrance (
    organisation text PRIMARY KEY REFERENCES identity.organisation,
    addresses text[] NOT NULL CHECK (cardinality(addresses) > 0)
);
CREATE TABLE identity.certificate (
    organisation text NOT NULL REFERENCES identity.organisation,
    fingerprint text NOT NULL CHECK (fingerprint ~ '^[0-9a-f]{64}$'),  -- SHA-256 of its DER
    subject text NOT NULL,
    issuer text NOT NULL,
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    added_at timestamptz NOT NULL,
    added_by text NOT NULL,
    PRIMARY KEY (organisation, fingerprint)
);
ALTER TABLE identity.entrance ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.entrance FORCE ROW LEVEL SECURITY;
ALTER TABLE identity.certificate ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.certificate FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON identity.entrance TO cityloom_app USING ((SELECT kernel.sees_all()));
CREATE POLICY platform ON identity.certificate TO cityloom_app USING ((SELECT kernel.sees_all()));
GRANT SELECT, INSERT, UPDATE, DELETE ON identity.entrance TO cityloom_app;
GRANT SELECT, INSERT, DELETE ON identity.certificate TO cityloom_app;
