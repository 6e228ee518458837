-- How often somebody began to work on a delivery and did not come to an end that can be told apart from a broken one.
ALTER TABLE exchange.delivery ADD COLUMN tries int NOT NULL DEFAULT 0;
