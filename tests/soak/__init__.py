"""Bad luck for as long as one likes: random histories of shop, store, keys, disk, clock and death.

`python -m tests.soak` (`make soak`) lives through them and says what it found; a small share
runs with the other tests.
"""
