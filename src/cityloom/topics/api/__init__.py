"""What others may call of topic libraries."""
