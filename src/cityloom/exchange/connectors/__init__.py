"""Scheduled pulls: what a department does not send is fetched from its database, web address or SFTP folder."""
