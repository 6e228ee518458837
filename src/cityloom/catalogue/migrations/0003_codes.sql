-- A report may move a code from one resource to another: codes are compared once all its changes are written.
ALTER TABLE catalogue.resource DROP CONSTRAINT resource_code_key,
    ADD CONSTRAINT resource_code_key UNIQUE (code) DEFERRABLE INITIALLY DEFERRED;
