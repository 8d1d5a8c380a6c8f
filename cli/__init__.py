"""The command line: options in, one use case, a report out."""
