"""What every floor needs and no city noun: settings, database, lake, context, access, audit, jobs, flow, calendar, words."""
