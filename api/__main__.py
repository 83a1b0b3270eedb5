"""`python -m api`: the processes that answer requests at one address."""

import sys

from api.process.main import serve

if __name__ == "__main__":
    sys.exit(serve("api.process.main:application"))
