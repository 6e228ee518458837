"""Speed and memory, measured and printed as JSON lines; never asserted by a timed test."""
