"""Finding sealed orders: one question, the partitions that answer it, the rows in them.

Responsible for reading. What a role may see of a row, and that every answer is on record before
it is shown, is decided above. Nothing here ever holds the reveal key.
"""
