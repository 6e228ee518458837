"""Datasets between departments: deliveries are checked, kept as current state and change rows, and proved by receipts."""
