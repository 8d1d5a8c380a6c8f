"""Proofs of single orders, and the script with which strangers check them."""
