"""The mapper."""
