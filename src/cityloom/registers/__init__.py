"""The city's one list of each person, organisation, dwelling and place, from what the datasets say of them."""
