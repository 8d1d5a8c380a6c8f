"""Questions to archives that were really sealed."""
