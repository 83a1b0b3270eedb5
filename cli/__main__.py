"""`python -m cli` is `packshot`."""

from cli.main import main

main()
