"""Verification: does the store still hold what was sealed, as it was promised?

`verifying.Verification.run` is the argument from end to end; `findings` has every code that it can
end in. Nothing here changes the store.
"""
