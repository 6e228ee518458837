-- The row filters through which change rows or records were read. Known for one thing: whom an erasure must tell.
CREATE TABLE exchange.row_filter (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset text NOT NULL REFERENCES exchange.dataset,
    organisation text NOT NULL,                                -- the dataset's keeper, who approved of the filter
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),   -- SHA-256 of `rows`, which is too long for an index
    rows text NOT NULL,
    noted_at timestamptz NOT NULL,
    UNIQUE (dataset, digest)
);
-- An erasure's change row holds the key and nothing else, so no filter can be asked of it. Which filters had let some
-- state of the record through is found out before it goes, and kept here without the key.
CREATE TABLE exchange.erasure_told (
    dataset text NOT NULL REFERENCES exchange.dataset,
    row_filter bigint NOT NULL REFERENCES exchange.row_filter,
    organisation text NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (dataset, row_filter, sequence)
);
ALTER TABLE exchange.row_filter ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.row_filter FORCE ROW LEVEL SECURITY;
ALTER TABLE exchange.erasure_told ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.erasure_told FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON exchange.row_filter TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
CREATE POLICY own ON exchange.erasure_told TO cityloom_app
    USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
GRANT SELECT, INSERT ON exchange.row_filter TO cityloom_app;
GRANT SELECT, INSERT, DELETE ON exchange.erasure_told TO cityloom_app;
