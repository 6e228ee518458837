"""From a Chinese address as people write it to the standard address that it means; codes and the life of addresses."""
