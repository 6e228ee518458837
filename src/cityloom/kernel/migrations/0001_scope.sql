-- The scope of a transaction: which organisation it may see, signed by the platform's key for this transaction alone.
CREATE TABLE kernel.scope_key (inner_pad bytea NOT NULL, outer_pad bytea NOT NULL);
REVOKE ALL ON kernel.scope_key FROM PUBLIC;

-- The scope text is organisation, actor, backend, begin of the transaction (Unix time in microseconds) and their
-- HMAC-SHA-256 (RFC 2104), separated by U+001F. A scope that is missing gives NULL; one that was forged, or signed for
-- another backend or an earlier transaction, an error.
CREATE FUNCTION kernel.scope_part(part int) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given text := current_setting('cityloom.scope', true);
    parts text[];
    begun text;
    expected text;
BEGIN
    IF given IS NULL OR given = '' THEN
        RETURN NULL;
    END IF;
    parts := string_to_array(given, E'\x1f');
    begun := (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint;
    SELECT encode(sha256(outer_pad || sha256(inner_pad || convert_to(array_to_string(parts[1:4], E'\x1f'), 'UTF8'))), 'hex')
      INTO expected FROM kernel.scope_key;
    IF cardinality(parts) <> 5 OR expected IS DISTINCT FROM parts[5]
       OR parts[3] IS DISTINCT FROM pg_backend_pid()::text OR parts[4] IS DISTINCT FROM begun THEN
        RAISE EXCEPTION 'the scope of this transaction is not signed for it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN parts[part];
END $$;

-- Used in policies as (SELECT ...), so that each is worked out once per statement. Their bodies are bound here and
-- now (RETURN, not a text), so that no search_path of a caller gives them another meaning.
CREATE FUNCTION kernel.organisation() RETURNS text LANGUAGE sql STABLE RETURN kernel.scope_part(1);
CREATE FUNCTION kernel.actor() RETURNS text LANGUAGE sql STABLE RETURN kernel.scope_part(2);

-- Whether the transaction is the platform's own and sees the rows of every organisation.
CREATE FUNCTION kernel.sees_all() RETURNS boolean LANGUAGE sql STABLE RETURN kernel.organisation() = '*';

GRANT USAGE ON SCHEMA kernel TO cityloom_app;
REVOKE ALL ON FUNCTION kernel.scope_part(int), kernel.organisation(), kernel.actor(), kernel.sees_all() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION kernel.scope_part(int), kernel.organisation(), kernel.actor(), kernel.sees_all() TO cityloom_app;
