"""A compliance archive: finished orders as encrypted, locked, provable partitions."""

__version__ = "0.1.0"
