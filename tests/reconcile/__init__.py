"""Statements against archives that were really sealed."""
