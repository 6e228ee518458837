"""Observations of devices: doors that speak the field's protocols, and what the city keeps of what they say."""
