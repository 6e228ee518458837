"""What datasets exist, whose they are, by which standards they are described, and what feeds what."""
