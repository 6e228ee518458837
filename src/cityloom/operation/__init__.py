"""How the city's machinery is: gauges of all modules, and alarms."""
