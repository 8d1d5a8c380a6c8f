"""Tests of `archiver.verification`: every attack is named, and honest archives raise no alarm."""
