"""MQTT 3.1.1 and 5.0 (OASIS): packets as structs and back. Pure: bytes in, bytes out."""
