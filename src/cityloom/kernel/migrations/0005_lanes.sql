-- Lanes of lake commits. Who takes a lane begins a term; what was begun in an earlier term is refused from then on.
CREATE TABLE kernel.lake_term (
    lane text PRIMARY KEY,
    term bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON kernel.lake_term TO cityloom_app;

-- Runs inside the transaction that makes a lake commit real, so that both happen or neither. The row stays locked until
-- then: whoever begins the next term waits for it, and sees what was written.
CREATE FUNCTION lake.refuse_late_commit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said jsonb := CASE WHEN NEW.author = 'cityloom' THEN NEW.commit_extra_info::jsonb END;
BEGIN
    IF said ->> 'lane' IS NOT NULL THEN
        PERFORM FROM kernel.lake_term
        WHERE lane = said ->> 'lane' AND term = (said ->> 'term')::bigint FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'this lake commit is late: lane % has a later term than %', said ->> 'lane', said ->> 'term';
        END IF;
    END IF;
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION lake.refuse_late_commit() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lake.refuse_late_commit() TO cityloom_lake;
