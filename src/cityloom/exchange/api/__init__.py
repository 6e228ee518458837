"""What others may call: `deliveries` (hand in, trial, receipt), `withdrawals`, `reading`, `upkeep`."""
