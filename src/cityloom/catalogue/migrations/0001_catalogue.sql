-- Standards as data: elements and code lists by version; what datasets exist and what feeds what.
CREATE TABLE catalogue.element (
    name text NOT NULL,
    version text NOT NULL,
    status text NOT NULL CHECK (status IN ('current', 'withdrawn')),
    spec jsonb NOT NULL,
    installed_at timestamptz NOT NULL,
    PRIMARY KEY (name, version)
);

CREATE TABLE catalogue.code_list (
    name text NOT NULL,
    version text NOT NULL,
    status text NOT NULL CHECK (status IN ('current', 'withdrawn')),
    standard text NOT NULL,
    title jsonb NOT NULL,
    codes jsonb NOT NULL,
    digest text NOT NULL,
    installed_at timestamptz NOT NULL,
    PRIMARY KEY (name, version)
);

-- The resolved declaration of a dataset, one row per version of it: what changed between two is a diff of two rows.
CREATE TABLE catalogue.entry (
    name text NOT NULL,
    revision int NOT NULL,
    pack text NOT NULL,
    keeper text NOT NULL,
    title jsonb NOT NULL,
    grade int NOT NULL,
    spec jsonb NOT NULL,
    digest text NOT NULL,
    installed_at timestamptz NOT NULL,
    retired_at timestamptz,
    PRIMARY KEY (name, revision)
);

-- Lineage: `target` (dataset.field, or a dataset) is made from, or checked against, `source`.
CREATE TABLE catalogue.lineage (
    source text NOT NULL,
    target text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('references', 'codes', 'element', 'derives', 'fed_by')),
    owner text NOT NULL,
    PRIMARY KEY (source, target, kind)
);

GRANT USAGE ON SCHEMA catalogue TO cityloom_app;
GRANT SELECT, INSERT, UPDATE ON catalogue.element, catalogue.code_list, catalogue.entry TO cityloom_app;
GRANT SELECT, INSERT, DELETE ON catalogue.lineage TO cityloom_app;
