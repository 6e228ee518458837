"""Observations of devices: OGC SensorThings 1.1, stored for the latest value, for counts and for what is nested."""
