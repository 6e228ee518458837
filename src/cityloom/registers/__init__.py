"""The city's one list of each person, organisation and place: what departments say of them, woven together."""
