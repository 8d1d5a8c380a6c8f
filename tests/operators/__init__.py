"""Operators, logins, approvals."""
