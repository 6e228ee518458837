"""The audit log: append-only entries, hashed into a Merkle tree, signed, and verifiable without the database."""
