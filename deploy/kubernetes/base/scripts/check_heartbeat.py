"""Fail where a process of loops has stood still for five minutes."""

import os
import sys
import time

LIMIT_SECONDS = 300


def main() -> int:
    """Look at the age of the file that it touches as long as each of its loops goes round."""
    age = time.time() - os.stat(os.environ["PACKSHOT_HEALTH_FILE"]).st_mtime
    return int(age > LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
