"""`python -m cli` is `archiver`."""

from cli.main import main

main()
