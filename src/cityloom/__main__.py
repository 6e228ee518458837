"""`python -m cityloom` is the `cityloom` command."""

from cityloom.cli import main

main()
