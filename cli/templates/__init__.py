"""Files that commands print."""
