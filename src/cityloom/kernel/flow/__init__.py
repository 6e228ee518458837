"""The one flow engine: states and moves as data, every move kept, and a clock in working time."""
