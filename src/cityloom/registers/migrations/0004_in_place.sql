-- A record that changes keeps its row, and what it said before becomes a row of the past. So a change touches one page of
-- the table and one of one index, where it was one page of each of four indexes.
ALTER TABLE registers.claim ADD COLUMN final boolean NOT NULL DEFAULT false;  -- it ended, and the record did not go on as the same
UPDATE registers.claim SET final = true WHERE closed <> 0;
ALTER TABLE registers.claim SET (fillfactor = 85);
DROP INDEX registers.claim_source;
DROP INDEX registers.claim_identifier;
CREATE UNIQUE INDEX claim_source ON registers.claim (feed, key) WHERE closed = 0;
CREATE INDEX claim_final ON registers.claim (feed, key) WHERE final;
CREATE INDEX claim_identifier ON registers.claim (identifier) WHERE identifier IS NOT NULL AND (closed = 0 OR final);
