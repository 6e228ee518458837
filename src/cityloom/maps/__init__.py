"""The areas of the city as map tiles, and what they are called."""
