"""`python -m api`: the server, with all of its processes."""

import logging
import os
import signal
import sys
import tempfile


def main() -> int:
    """Serve until a signal comes."""
    with tempfile.TemporaryDirectory(prefix="packshot-api-") as folder:
        # Where all processes count together. prometheus_client reads it when it is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        from api.serve import serve  # noqa: PLC0415

        # uvicorn sends itself the signal again that it stopped for; the folder has to go, too.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            return serve()
        except KeyboardInterrupt:
            pass
    logging.shutdown()
    # The requests had their time: a thread that still waits for a service does not keep us.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
