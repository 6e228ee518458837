-- The scope of a transaction: which organisation it may see, signed by the platform's key.
CREATE TABLE kernel.scope_key (inner_pad bytea NOT NULL, outer_pad bytea NOT NULL);
REVOKE ALL ON kernel.scope_key FROM PUBLIC;

-- HMAC-SHA-256 (RFC 2104) over the scope text; a scope that is missing gives NULL, a forged one an error.
CREATE FUNCTION kernel.scope_part(part int) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given text := current_setting('cityloom.scope', true);
    parts text[];
    message text;
    expected text;
BEGIN
    IF given IS NULL OR given = '' THEN
        RETURN NULL;
    END IF;
    parts := string_to_array(given, E'\x1f');
    message := array_to_string(parts[1:4], E'\x1f');
    SELECT encode(sha256(outer_pad || sha256(inner_pad || convert_to(message, 'UTF8'))), 'hex')
      INTO expected FROM kernel.scope_key;
    IF cardinality(parts) <> 5 OR expected IS DISTINCT FROM parts[5]
       OR parts[3]::int <> pg_backend_pid()
       OR parts[4]::bigint < extract(epoch FROM transaction_timestamp()) THEN
        RAISE EXCEPTION 'the scope of this transaction is not signed for it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN parts[part];
END $$;

CREATE FUNCTION kernel.organisation() RETURNS text LANGUAGE sql STABLE AS 'SELECT kernel.scope_part(1)';
CREATE FUNCTION kernel.actor() RETURNS text LANGUAGE sql STABLE AS 'SELECT kernel.scope_part(2)';

-- Whether the transaction may see rows of `owner`; used in every policy as (SELECT ...) so that it is worked out once.
CREATE FUNCTION kernel.sees_all() RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT kernel.organisation() = '*' $$;

GRANT USAGE ON SCHEMA kernel TO cityloom_app;
REVOKE ALL ON FUNCTION kernel.scope_part(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION kernel.scope_part(int), kernel.organisation(), kernel.actor(), kernel.sees_all() TO cityloom_app;
