"""The contract: what is stored, and how it is read. Imports nothing of ours."""
