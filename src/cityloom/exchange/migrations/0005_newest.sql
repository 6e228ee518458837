-- People look at the newest deliveries first, and at what came back corrected.
CREATE INDEX delivery_newest ON exchange.delivery (dataset, claimed_at DESC, id DESC);
CREATE INDEX delivery_corrects ON exchange.delivery (dataset, corrects) WHERE corrects IS NOT NULL;
