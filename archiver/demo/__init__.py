"""The demonstration: a small shop, some nights, an order read back. All of it happens."""
