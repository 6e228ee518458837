"""Record linkage: which records without a verified number are of one person, firm or place, and why."""
