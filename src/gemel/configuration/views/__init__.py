"""What somebody sees of the configuration, and of the life of items."""
