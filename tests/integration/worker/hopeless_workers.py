"""Workers that cannot begin, one after the other in one process: most of a start is imports.

Prints `ENDED` and its exit code after each.
"""

import json
import os
import sys

WRONG_SETTINGS = "WRONG_SETTINGS"
"""The variable with a JSON list of settings for each of them."""
ENDED = "A worker ended with"


def main() -> None:
    from core.settings import get_settings
    from worker.main import main as run_worker

    right = dict(os.environ)
    for wrong in json.loads(os.environ[WRONG_SETTINGS]):
        os.environ.update(right | wrong)
        get_settings.cache_clear()
        code = run_worker()
        sys.stderr.flush()
        print(ENDED, code, flush=True)


if __name__ == "__main__":
    main()
