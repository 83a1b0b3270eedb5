"""Ask a worker for its metrics: `check_worker.py alive`, or `ready`, which wants a model loaded.

The kubelet's own HTTP probes cannot read the token from a secret.
"""

import os
import re
import sys
from urllib.error import URLError
from urllib.request import Request, urlopen

ANSWER_SECONDS = 8


def main(question: str) -> int:
    """Return 0 where the answer is yes."""
    token, port = os.environ["PACKSHOT_METRICS_TOKEN"], os.environ["PACKSHOT_WORKER_METRICS_PORT"]
    request = Request(
        f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - it is http above
            metrics = answer.read().decode()
    except (URLError, TimeoutError) as error:
        print(f"no metrics: {error}", file=sys.stderr)
        return 1
    if question == "alive":
        return 0
    loaded = re.search(r"^packshot_models_loaded (\S+)$", metrics, re.MULTILINE)
    if loaded is None or float(loaded[1]) < 1:
        print("no model is loaded yet", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
