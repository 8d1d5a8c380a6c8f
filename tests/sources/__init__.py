"""Sources, on the real databases."""
