"""Archives as they were sealed once, which every later version must still read."""
