"""The one working-time calendar: which days and hours count, when a period ends, and why."""
