"""Payment providers' statements, written by hand in each of their forms."""
