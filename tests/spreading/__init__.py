"""Tests of telling the ledger's head to those who bear witness to it."""
