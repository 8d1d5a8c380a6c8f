"""Tests of `archiver.index`."""
