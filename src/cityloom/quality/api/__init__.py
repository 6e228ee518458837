"""What others may call: `tickets`, `corrections`, `scores`."""
