"""From a Chinese address as people write it to its levels; standard codes and the life of an address."""
