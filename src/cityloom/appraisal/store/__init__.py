"""All SQL of appraisal."""
