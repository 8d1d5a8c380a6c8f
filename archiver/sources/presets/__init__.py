"""Mappings that ship with the archive."""
