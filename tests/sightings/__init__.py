"""Orders between their end and their night: sighted, changed, compared."""
