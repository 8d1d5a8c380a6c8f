"""The ledger: what is entered, what is signed, and what is noticed."""
