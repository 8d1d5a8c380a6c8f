"""Object stores: S3 and its like, a folder, and a strict one in memory.

All pass `tests/store_contract.py`. Nothing is imported here: a `dir:` archive never pays for
the S3 client.
"""
