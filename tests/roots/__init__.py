"""Roots in key files, under passphrases and in AWS KMS."""
