"""Topic libraries: declared views over registers and datasets, with figures of how complete, fresh and agreed they are."""
