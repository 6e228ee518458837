"""Doors that speak to devices: TCP servers for HJ 212, JT/T 808 and SL 651, and simulators that call them."""
