"""All SQL of the exchange: `ledger` in PostgreSQL (what was delivered), `records`, `changes` and `withdrawal` in the lake."""
