"""Shops as they are found in the field: their own tables, filled with their own habits."""
