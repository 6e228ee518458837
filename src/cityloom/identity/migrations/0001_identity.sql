-- Organisations, accounts with roles kept apart, passwords, sessions, tokens, and tries at signing in.
-- Only the platform's scope writes here; an organisation sees its own accounts and tokens, and no password or session.
CREATE TABLE identity.organisation (
    code text PRIMARY KEY CHECK (code ~ '^[a-z][a-z0-9_]{0,63}$'),
    title_en text NOT NULL,
    title_zh text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('department', 'district', 'company', 'platform')),
    division text NOT NULL DEFAULT '',
    parent text REFERENCES identity.organisation DEFERRABLE INITIALLY DEFERRED CHECK (parent <> code),
    active boolean NOT NULL DEFAULT true,
    installed_at timestamptz NOT NULL
);

CREATE TABLE identity.account (
    name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9._-]{2,63}$' AND name NOT IN ('platform', 'anonymous')),
    organisation text NOT NULL REFERENCES identity.organisation,
    title text NOT NULL DEFAULT '',
    roles text[] NOT NULL DEFAULT '{}',
    active boolean NOT NULL DEFAULT true,
    made_at timestamptz NOT NULL,
    made_by text NOT NULL,
    signed_in_at timestamptz,
    UNIQUE (name, organisation),
    CONSTRAINT known_roles CHECK (
        roles <@ ARRAY['system_admin', 'security_admin', 'audit_admin', 'data_officer', 'steward', 'analyst']
    ),
    -- 三员分立: whoever administers, in one of the three ways, has no other role beside it
    CONSTRAINT roles_kept_apart CHECK (
        NOT roles && ARRAY['system_admin', 'security_admin', 'audit_admin'] OR cardinality(roles) = 1
    )
);
CREATE INDEX account_organisation ON identity.account (organisation, name);

CREATE TABLE identity.password (
    account text PRIMARY KEY REFERENCES identity.account,
    hash text NOT NULL CHECK (hash LIKE '$argon2id$%'),
    set_at timestamptz NOT NULL,
    valid_until timestamptz -- of a one-time password, which must be changed before anything else; else null
);

CREATE TABLE identity.session (
    id bytea PRIMARY KEY CHECK (octet_length(id) = 32), -- SHA-256 of what the browser holds
    account text NOT NULL,
    organisation text NOT NULL,
    begun_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at > begun_at),
    FOREIGN KEY (account, organisation) REFERENCES identity.account (name, organisation)
);
CREATE INDEX session_account ON identity.session (account);

CREATE TABLE identity.token (
    id text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{16}$'),
    account text NOT NULL,
    organisation text NOT NULL,
    title text NOT NULL,
    rights text[] NOT NULL CHECK (cardinality(rights) > 0),
    datasets text[] CHECK (cardinality(datasets) > 0),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32), -- SHA-256 of the secret
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > made_at),
    used_at timestamptz,
    revoked_at timestamptz,
    follows text UNIQUE REFERENCES identity.token,
    FOREIGN KEY (account, organisation) REFERENCES identity.account (name, organisation)
);
CREATE INDEX token_account ON identity.token (account);

CREATE TABLE identity.throttle (
    bucket bytea PRIMARY KEY CHECK (octet_length(bucket) = 32), -- SHA-256: no names, no addresses
    tries int NOT NULL CHECK (tries >= 0),
    tried_at timestamptz NOT NULL,
    open_at timestamptz NOT NULL
);

ALTER TABLE identity.organisation ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.organisation FORCE ROW LEVEL SECURITY;
ALTER TABLE identity.account ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.account FORCE ROW LEVEL SECURITY;
ALTER TABLE identity.password ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.password FORCE ROW LEVEL SECURITY;
ALTER TABLE identity.session ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.session FORCE ROW LEVEL SECURITY;
ALTER TABLE identity.token ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.token FORCE ROW LEVEL SECURITY;
ALTER TABLE identity.throttle ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.throttle FORCE ROW LEVEL SECURITY;

CREATE POLICY platform ON identity.organisation TO cityloom_app USING ((SELECT kernel.sees_all()));
CREATE POLICY platform ON identity.account TO cityloom_app USING ((SELECT kernel.sees_all()));
CREATE POLICY platform ON identity.password TO cityloom_app USING ((SELECT kernel.sees_all()));
CREATE POLICY platform ON identity.session TO cityloom_app USING ((SELECT kernel.sees_all()));
CREATE POLICY platform ON identity.token TO cityloom_app USING ((SELECT kernel.sees_all()));
CREATE POLICY platform ON identity.throttle TO cityloom_app USING ((SELECT kernel.sees_all()));
-- which organisations there are is no secret between them
CREATE POLICY known ON identity.organisation FOR SELECT TO cityloom_app USING ((SELECT kernel.organisation()) IS NOT NULL);
CREATE POLICY own ON identity.account FOR SELECT TO cityloom_app USING (organisation = (SELECT kernel.organisation()));
CREATE POLICY own ON identity.token FOR SELECT TO cityloom_app USING (organisation = (SELECT kernel.organisation()));

GRANT USAGE ON SCHEMA identity TO cityloom_app;
GRANT SELECT, INSERT, UPDATE ON identity.organisation, identity.account, identity.password, identity.token TO cityloom_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON identity.session, identity.throttle TO cityloom_app;
