"""Tests of devices, their protocols and what is kept of them."""
