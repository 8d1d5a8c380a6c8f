"""Schedules: when, what, and in which cage."""
