"""The one list of each person, organisation, dwelling and place."""
