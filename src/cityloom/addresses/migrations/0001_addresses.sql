-- Which datasets the library is made from, and how far each was followed.
CREATE TABLE addresses.feed (
    part text PRIMARY KEY,                      -- addresses, divisions, changes, cells, cell_spans
    dataset text NOT NULL,
    sequence bigint NOT NULL DEFAULT 0,
    snapshot bigint,                            -- while the current state is being taken in: where it will go on from
    generation integer NOT NULL DEFAULT 0,      -- what was not in the last snapshot has an older one
    forgotten integer NOT NULL DEFAULT 0,       -- how often names were forgotten: who keeps them begins anew
    followed_at timestamptz
);

-- The standard addresses as they are now. Codes are compared byte by byte, so that a beginning is found in the index.
CREATE TABLE addresses.entry (
    code text COLLATE "C" PRIMARY KEY,
    parent text COLLATE "C" NOT NULL,           -- empty for what lies directly in its division
    level smallint NOT NULL,
    name text COLLATE "C" NOT NULL,             -- comparable
    division text COLLATE "C" NOT NULL,
    since date NOT NULL,
    until date,
    below integer NOT NULL DEFAULT 0,           -- bit n: something lies directly in it at level n
    generation integer NOT NULL,
    replaced_by text[] COLLATE "C" NOT NULL,
    said text NOT NULL,                         -- the name as its keeper writes it
    full_text text NOT NULL,
    longitude double precision,
    latitude double precision
);
CREATE INDEX entry_parent ON addresses.entry (parent, name) WHERE parent <> '';
CREATE INDEX entry_name ON addresses.entry (level, name, division) WHERE level IN (5, 6, 7, 9) OR parent = '';

-- Which addresses an address replaced, to be found from the new one; a column of arrays has no index that row security uses.
CREATE TABLE addresses.heir (
    new_code text COLLATE "C" NOT NULL,
    old_code text COLLATE "C" NOT NULL,
    PRIMARY KEY (new_code, old_code)
);
CREATE INDEX heir_old ON addresses.heir (old_code);

-- Every name of a community, group, road or estate that some address has or had: what each process keeps in memory.
CREATE TABLE addresses.name (
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    level smallint NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (level, name)
);

CREATE TABLE addresses.span (
    address text COLLATE "C" NOT NULL,
    since date NOT NULL,
    until date,
    division text COLLATE "C" NOT NULL,
    generation integer NOT NULL,
    PRIMARY KEY (address, since)
);
CREATE TABLE addresses.cell_span (
    address text COLLATE "C" NOT NULL,
    since date NOT NULL,
    until date,
    cell text COLLATE "C" NOT NULL,
    generation integer NOT NULL,
    PRIMARY KEY (address, since)
);
CREATE TABLE addresses.cell (
    code text COLLATE "C" PRIMARY KEY,
    division text COLLATE "C" NOT NULL,
    name text NOT NULL,
    since date NOT NULL,
    until date,
    generation integer NOT NULL
);
CREATE TABLE addresses.division_change (
    old_code text COLLATE "C" NOT NULL,
    new_code text COLLATE "C" NOT NULL,
    changed_on date NOT NULL,
    kind text NOT NULL,
    old_name text NOT NULL,
    new_name text NOT NULL,
    approval text NOT NULL,
    generation integer NOT NULL,
    PRIMARY KEY (old_code, new_code, changed_on)
);

GRANT USAGE ON SCHEMA addresses TO cityloom_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON addresses.feed, addresses.entry, addresses.heir, addresses.name, addresses.span,
    addresses.cell_span, addresses.cell, addresses.division_change TO cityloom_app;

-- Only the platform reaches them: whether somebody may read them, the sharing of the dataset that they come from says.
ALTER TABLE addresses.feed ENABLE ROW LEVEL SECURITY;
ALTER TABLE addresses.feed FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON addresses.feed TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE addresses.entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE addresses.entry FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON addresses.entry TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE addresses.heir ENABLE ROW LEVEL SECURITY;
ALTER TABLE addresses.heir FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON addresses.heir TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE addresses.name ENABLE ROW LEVEL SECURITY;
ALTER TABLE addresses.name FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON addresses.name TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE addresses.span ENABLE ROW LEVEL SECURITY;
ALTER TABLE addresses.span FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON addresses.span TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE addresses.cell_span ENABLE ROW LEVEL SECURITY;
ALTER TABLE addresses.cell_span FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON addresses.cell_span TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE addresses.cell ENABLE ROW LEVEL SECURITY;
ALTER TABLE addresses.cell FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON addresses.cell TO cityloom_app USING ((SELECT kernel.sees_all()));
ALTER TABLE addresses.division_change ENABLE ROW LEVEL SECURITY;
ALTER TABLE addresses.division_change FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON addresses.division_change TO cityloom_app USING ((SELECT kernel.sees_all()));
