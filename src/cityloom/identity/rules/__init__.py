"""What identity decides, without reading or writing anything: roles, passwords, tokens, throttling, browsers."""
