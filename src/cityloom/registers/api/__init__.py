"""What others may call: `following` (feeds), `reading` (records), `stewarding` (doubts, merges, splits), `states`."""
