"""`cityloom demo`: a sample city, built from a seed, delivered and shared by its departments through the public doors."""
