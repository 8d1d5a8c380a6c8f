"""Tests of the transactional state."""
