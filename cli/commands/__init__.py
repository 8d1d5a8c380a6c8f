"""The commands: each turns its options into one use case and the result into a report."""
