"""Appraisal (绩效评估) of how departments share: points by versioned indicator sets, each resting on rows of the logs."""
