-- The catalogue of DuckLake 0.3, as the extension of DuckDB 1.4.4 made it: three rows of `stock`, one deleted.
CREATE TABLE lake.ducklake_column (
    column_id bigint,
    begin_snapshot bigint,
    end_snapshot bigint,
    table_id bigint,
    column_order bigint,
    column_name character varying,
    column_type character varying,
    initial_default character varying,
    default_value character varying,
    nulls_allowed boolean,
    parent_column bigint
);
CREATE TABLE lake.ducklake_column_mapping (
    mapping_id bigint,
    table_id bigint,
    type character varying
);
CREATE TABLE lake.ducklake_column_tag (
    table_id bigint,
    column_id bigint,
    begin_snapshot bigint,
    end_snapshot bigint,
    key character varying,
    value character varying
);
CREATE TABLE lake.ducklake_data_file (
    data_file_id bigint NOT NULL,
    table_id bigint,
    begin_snapshot bigint,
    end_snapshot bigint,
    file_order bigint,
    path character varying,
    path_is_relative boolean,
    file_format character varying,
    record_count bigint,
    file_size_bytes bigint,
    footer_size bigint,
    row_id_start bigint,
    partition_id bigint,
    encryption_key character varying,
    partial_file_info character varying,
    mapping_id bigint
);
CREATE TABLE lake.ducklake_delete_file (
    delete_file_id bigint NOT NULL,
    table_id bigint,
    begin_snapshot bigint,
    end_snapshot bigint,
    data_file_id bigint,
    path character varying,
    path_is_relative boolean,
    format character varying,
    delete_count bigint,
    file_size_bytes bigint,
    footer_size bigint,
    encryption_key character varying
);
CREATE TABLE lake.ducklake_file_column_stats (
    data_file_id bigint,
    table_id bigint,
    column_id bigint,
    column_size_bytes bigint,
    value_count bigint,
    null_count bigint,
    min_value character varying,
    max_value character varying,
    contains_nan boolean,
    extra_stats character varying
);
CREATE TABLE lake.ducklake_file_partition_value (
    data_file_id bigint,
    table_id bigint,
    partition_key_index bigint,
    partition_value character varying
);
CREATE TABLE lake.ducklake_files_scheduled_for_deletion (
    data_file_id bigint,
    path character varying,
    path_is_relative boolean,
    schedule_start timestamp with time zone
);
CREATE TABLE lake.ducklake_inlined_data_tables (
    table_id bigint,
    table_name character varying,
    schema_version bigint
);
CREATE TABLE lake.ducklake_metadata (
    key character varying NOT NULL,
    value character varying NOT NULL,
    scope character varying,
    scope_id bigint
);
CREATE TABLE lake.ducklake_name_mapping (
    mapping_id bigint,
    column_id bigint,
    source_name character varying,
    target_field_id bigint,
    parent_column bigint,
    is_partition boolean
);
CREATE TABLE lake.ducklake_partition_column (
    partition_id bigint,
    table_id bigint,
    partition_key_index bigint,
    column_id bigint,
    transform character varying
);
CREATE TABLE lake.ducklake_partition_info (
    partition_id bigint,
    table_id bigint,
    begin_snapshot bigint,
    end_snapshot bigint
);
CREATE TABLE lake.ducklake_schema (
    schema_id bigint NOT NULL,
    schema_uuid uuid,
    begin_snapshot bigint,
    end_snapshot bigint,
    schema_name character varying,
    path character varying,
    path_is_relative boolean
);
CREATE TABLE lake.ducklake_schema_versions (
    begin_snapshot bigint,
    schema_version bigint
);
CREATE TABLE lake.ducklake_snapshot (
    snapshot_id bigint NOT NULL,
    snapshot_time timestamp with time zone,
    schema_version bigint,
    next_catalog_id bigint,
    next_file_id bigint
);
CREATE TABLE lake.ducklake_snapshot_changes (
    snapshot_id bigint NOT NULL,
    changes_made character varying,
    author character varying,
    commit_message character varying,
    commit_extra_info character varying
);
CREATE TABLE lake.ducklake_table (
    table_id bigint,
    table_uuid uuid,
    begin_snapshot bigint,
    end_snapshot bigint,
    schema_id bigint,
    table_name character varying,
    path character varying,
    path_is_relative boolean
);
CREATE TABLE lake.ducklake_table_column_stats (
    table_id bigint,
    column_id bigint,
    contains_null boolean,
    contains_nan boolean,
    min_value character varying,
    max_value character varying,
    extra_stats character varying
);
CREATE TABLE lake.ducklake_table_stats (
    table_id bigint,
    record_count bigint,
    next_row_id bigint,
    file_size_bytes bigint
);
CREATE TABLE lake.ducklake_tag (
    object_id bigint,
    begin_snapshot bigint,
    end_snapshot bigint,
    key character varying,
    value character varying
);
CREATE TABLE lake.ducklake_view (
    view_id bigint,
    view_uuid uuid,
    begin_snapshot bigint,
    end_snapshot bigint,
    schema_id bigint,
    view_name character varying,
    dialect character varying,
    sql character varying,
    column_aliases character varying
);
INSERT INTO lake.ducklake_column VALUES (1, 1, NULL, 1, 1, 'item', 'varchar', NULL, NULL, true, NULL);
INSERT INTO lake.ducklake_column VALUES (2, 1, NULL, 1, 2, 'amount', 'int64', NULL, NULL, true, NULL);
INSERT INTO lake.ducklake_data_file VALUES (0, 1, 2, NULL, NULL, 'ducklake-01a20ec8-a3c1-7c03-8157-50d4dd3c4e8a.parquet', true, 'parquet', 3, 332, 236, 0, NULL, NULL, NULL, NULL);
INSERT INTO lake.ducklake_delete_file VALUES (1, 1, 3, NULL, 0, 'ducklake-01a20ec8-a3cb-73b4-bd4f-ebc0ea49d098-delete.parquet', true, 'parquet', 1, 719, 563, NULL);
INSERT INTO lake.ducklake_file_column_stats VALUES (0, 1, 1, 40, 3, 0, 'a', 'c', NULL, NULL);
INSERT INTO lake.ducklake_file_column_stats VALUES (0, 1, 2, 44, 3, 0, '1', '3', NULL, NULL);
INSERT INTO lake.ducklake_metadata VALUES ('version', '0.3', NULL, NULL);
INSERT INTO lake.ducklake_metadata VALUES ('created_by', 'DuckDB 6ddac802ff', NULL, NULL);
INSERT INTO lake.ducklake_metadata VALUES ('data_path', '/nowhere/', NULL, NULL);
INSERT INTO lake.ducklake_metadata VALUES ('encrypted', 'false', NULL, NULL);
INSERT INTO lake.ducklake_schema VALUES (0, '19c20696-3435-4878-8ec8-890a8bed323f', 0, NULL, 'main', 'main/', true);
INSERT INTO lake.ducklake_schema_versions VALUES (0, 0);
INSERT INTO lake.ducklake_schema_versions VALUES (1, 1);
INSERT INTO lake.ducklake_snapshot VALUES (0, '2026-11-24 18:19:19.710039+00', 0, 1, 0);
INSERT INTO lake.ducklake_snapshot VALUES (1, '2026-11-24 18:19:19.84869+00', 1, 2, 0);
INSERT INTO lake.ducklake_snapshot VALUES (2, '2026-11-24 18:19:19.860176+00', 1, 2, 1);
INSERT INTO lake.ducklake_snapshot VALUES (3, '2026-11-24 18:19:19.877098+00', 1, 2, 2);
INSERT INTO lake.ducklake_snapshot_changes VALUES (0, 'created_schema:"main"', NULL, NULL, NULL);
INSERT INTO lake.ducklake_snapshot_changes VALUES (1, 'created_table:"main"."stock"', NULL, NULL, NULL);
INSERT INTO lake.ducklake_snapshot_changes VALUES (2, 'inserted_into_table:1', NULL, NULL, NULL);
INSERT INTO lake.ducklake_snapshot_changes VALUES (3, 'deleted_from_table:1', NULL, NULL, NULL);
INSERT INTO lake.ducklake_table VALUES (1, '01a20ec8-a3b2-7a60-a3fa-f9d3d7d8d117', 1, NULL, 0, 'stock', 'stock/', true);
INSERT INTO lake.ducklake_table_column_stats VALUES (1, 1, false, NULL, 'a', 'c', NULL);
INSERT INTO lake.ducklake_table_column_stats VALUES (1, 2, false, NULL, '1', '3', NULL);
INSERT INTO lake.ducklake_table_stats VALUES (1, 3, 3, 332);
ALTER TABLE ONLY lake.ducklake_data_file
    ADD CONSTRAINT ducklake_data_file_pkey PRIMARY KEY (data_file_id);
ALTER TABLE ONLY lake.ducklake_delete_file
    ADD CONSTRAINT ducklake_delete_file_pkey PRIMARY KEY (delete_file_id);
ALTER TABLE ONLY lake.ducklake_schema
    ADD CONSTRAINT ducklake_schema_pkey PRIMARY KEY (schema_id);
ALTER TABLE ONLY lake.ducklake_snapshot_changes
    ADD CONSTRAINT ducklake_snapshot_changes_pkey PRIMARY KEY (snapshot_id);
ALTER TABLE ONLY lake.ducklake_snapshot
    ADD CONSTRAINT ducklake_snapshot_pkey PRIMARY KEY (snapshot_id);
