-- The audit log: how long it is, its entries, and the heads that were signed over them.
CREATE TABLE kernel.audit_log (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    hash text NOT NULL DEFAULT 'SHA-256',
    size bigint NOT NULL DEFAULT 0 CHECK (size >= 0)
) WITH (fillfactor = 10); -- updated by every append: room for the new versions on the same page
INSERT INTO kernel.audit_log DEFAULT VALUES;

-- The body is what is hashed, byte for byte. The other columns are worked out from it, so that there is one truth;
-- they are columns because a policy lets no index on an expression be used.
CREATE TABLE kernel.audit_entry (
    position bigint PRIMARY KEY,
    body text NOT NULL,
    organisation text GENERATED ALWAYS AS (body::jsonb ->> 'organisation') STORED,
    actor text GENERATED ALWAYS AS (body::jsonb ->> 'actor') STORED,
    subject text GENERATED ALWAYS AS (body::jsonb ->> 'subject') STORED,
    CHECK (body IS JSON OBJECT WITH UNIQUE KEYS),
    CHECK (starts_with(body, '{"position":' || position || ',')),
    CHECK (strpos(body, E'\n') = 0) -- one entry is one line of an export
);
CREATE INDEX audit_entry_subject ON kernel.audit_entry (subject, position);
CREATE INDEX audit_entry_actor ON kernel.audit_entry (actor, position);

-- Each head names its size; `leaves` are the 32-byte hashes of the entries it adds to the head before it.
CREATE TABLE kernel.audit_signed_head (
    size bigint PRIMARY KEY CHECK (size > 0),
    head text NOT NULL,
    leaves bytea NOT NULL
);
ALTER TABLE kernel.audit_signed_head ALTER COLUMN leaves SET STORAGE EXTERNAL; -- hashes do not compress

-- Gives the entries the next positions and returns the first. The lock on the one row of kernel.audit_log is held
-- until the caller's transaction ends, which is what keeps positions gapless: call it last.
-- An entry is a JSON object without its position; a scope writes in its own name only, the platform in any.
CREATE FUNCTION kernel.audit_append(entries text[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    many CONSTANT bigint := cardinality(entries);
    first bigint;
BEGIN
    UPDATE kernel.audit_log SET size = size + many RETURNING size - many INTO STRICT first;
    INSERT INTO kernel.audit_entry (position, body)
    SELECT first + n - 1, '{"position":' || (first + n - 1) || ',' || substr(entry, 2)
    FROM unnest(entries) WITH ORDINALITY AS given (entry, n);
    IF kernel.sees_all() IS NOT TRUE AND EXISTS (
        SELECT FROM kernel.audit_entry
        WHERE position >= first AND (organisation IS DISTINCT FROM (SELECT kernel.organisation())
                                     OR actor IS DISTINCT FROM (SELECT kernel.actor()))
    ) THEN
        RAISE EXCEPTION 'an audit entry names another organisation or actor than its transaction'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN first;
END $$;

-- Keeps a signed head that continues the one of size `after` (0: none); false if another sealer was faster.
CREATE FUNCTION kernel.audit_seal(after bigint, reached bigint, signed text, added bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF kernel.sees_all() IS NOT TRUE THEN
        RAISE EXCEPTION 'only the platform seals the audit log' USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- the files are written after this commit, so it must be on disk, and every entry it covers with it
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    LOCK TABLE kernel.audit_signed_head IN SHARE ROW EXCLUSIVE MODE;
    IF (SELECT coalesce(max(size), 0) FROM kernel.audit_signed_head) <> after THEN
        RETURN false;
    END IF;
    IF reached <= after OR reached > (SELECT size FROM kernel.audit_log) OR octet_length(added) <> 32 * (reached - after) THEN
        RAISE EXCEPTION 'a head of % entries cannot follow one of %', reached, after USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO kernel.audit_signed_head VALUES (reached, signed, added);
    RETURN true;
END $$;

ALTER TABLE kernel.audit_entry ENABLE ROW LEVEL SECURITY;
CREATE POLICY audit_entry_read ON kernel.audit_entry FOR SELECT TO cityloom_app
    USING ((SELECT kernel.sees_all()) OR organisation = (SELECT kernel.organisation()));

REVOKE ALL ON kernel.audit_log, kernel.audit_entry, kernel.audit_signed_head FROM PUBLIC, cityloom_app;
GRANT SELECT ON kernel.audit_log, kernel.audit_entry, kernel.audit_signed_head TO cityloom_app;
REVOKE ALL ON FUNCTION kernel.audit_append(text[]), kernel.audit_seal(bigint, bigint, text, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION kernel.audit_append(text[]), kernel.audit_seal(bigint, bigint, text, bytea) TO cityloom_app;
