"""What others may call: `requests`, `grants`, `reading`, `questions`, `projections`, `upkeep`."""
