"""Who may come in: organisations, staff accounts and their roles, sessions, API tokens."""
