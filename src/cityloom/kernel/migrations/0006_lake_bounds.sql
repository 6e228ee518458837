-- The lake's catalogue keeps the least and the greatest value of each column. Readers pack and prune by them as bounds,
-- and take them for the answer to min() and max() when as many rows are there as the catalogue counted. When DuckLake 1.0
-- rewrites files of which one has no value in a column, it writes NULL for its bounds and means "unknown"; the next insert
-- reads "no value so far", makes bounds of the new rows alone, and the older rows are read wrong from then on. So where
-- bounds were known, NULL is kept as the widest there are, with a count that says that they are not exact.
CREATE FUNCTION lake.widest(kind text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    size int[] := regexp_match(kind, '^decimal\((\d+),(\d+)\)$');
    most text;
BEGIN
    IF size IS NOT NULL THEN
        most := coalesce(nullif(repeat('9', size[1] - size[2]), ''), '0') || rtrim('.' || repeat('9', size[2]), '.');
        RETURN ARRAY['-' || most, most];
    END IF;
    RETURN CASE kind
        WHEN 'varchar' THEN ARRAY['', repeat(U&'\+10FFFF', 8)]
        WHEN 'boolean' THEN ARRAY['0', '1']
        WHEN 'int8' THEN ARRAY['-128', '127']
        WHEN 'int16' THEN ARRAY['-32768', '32767']
        WHEN 'int32' THEN ARRAY['-2147483648', '2147483647']
        WHEN 'int64' THEN ARRAY['-9223372036854775808', '9223372036854775807']
        WHEN 'float32' THEN ARRAY['-inf', 'inf']
        WHEN 'float64' THEN ARRAY['-inf', 'inf']
        WHEN 'date' THEN ARRAY['-infinity', 'infinity']
        WHEN 'timestamp' THEN ARRAY['-infinity', 'infinity']
        WHEN 'timestamptz' THEN ARRAY['-infinity', 'infinity']
    END;
END $$;

-- Runs inside the transaction that makes a lake commit real, after the count was written. A column of another kind
-- keeps the bounds it had, which still are bounds, since a rewrite adds nothing.
CREATE FUNCTION lake.keep_bounds() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    widest text[];
BEGIN
    SELECT lake.widest(column_type) INTO widest FROM lake.ducklake_column
    WHERE table_id = NEW.table_id AND column_id = NEW.column_id AND end_snapshot IS NULL;
    NEW.min_value := coalesce(widest[1], OLD.min_value);
    NEW.max_value := coalesce(widest[2], OLD.max_value);
    UPDATE lake.ducklake_table_stats SET record_count = record_count + 1 WHERE table_id = NEW.table_id;
    RETURN NEW;
END $$;

-- Forgets the bounds of a table: they may be values of rows that are no longer there.
CREATE FUNCTION lake.widen(tables text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ids bigint[] := ARRAY(
        SELECT table_id FROM lake.ducklake_table WHERE table_name = ANY (tables) AND end_snapshot IS NULL);
BEGIN
    UPDATE lake.ducklake_table_column_stats s
    SET min_value = (lake.widest(c.column_type))[1], max_value = (lake.widest(c.column_type))[2]
    FROM lake.ducklake_column c
    WHERE s.table_id = ANY (ids) AND c.table_id = s.table_id AND c.column_id = s.column_id AND c.end_snapshot IS NULL
      AND s.min_value IS NOT NULL AND lake.widest(c.column_type) IS NOT NULL;
    UPDATE lake.ducklake_table_stats SET record_count = record_count + 1 WHERE table_id = ANY (ids);
END $$;
REVOKE EXECUTE ON FUNCTION lake.widest(text), lake.keep_bounds(), lake.widen(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lake.widest(text), lake.keep_bounds(), lake.widen(text[]) TO cityloom_lake;
