"""Tests of `archiver.search_tokens`."""
