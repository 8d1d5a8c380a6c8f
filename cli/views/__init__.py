"""How reports look to people; imports rich."""
