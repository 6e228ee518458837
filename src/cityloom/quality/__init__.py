"""Quality comes back: disputed values find their source, and every dataset's quality is measured day by day."""
