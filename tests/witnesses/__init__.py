"""Tests of those who remember the ledger's head."""
