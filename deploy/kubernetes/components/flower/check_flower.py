"""Ask Flower for its health, with the login that it asks of everybody."""

import os
from base64 import b64encode
from urllib.request import Request, urlopen


def main() -> None:
    """Fail where it does not answer."""
    login = b64encode(os.environ["FLOWER_BASIC_AUTH"].encode()).decode()
    url = f"http://127.0.0.1:{os.environ['FLOWER_PORT']}/healthcheck"
    urlopen(Request(url, headers={"Authorization": f"Basic {login}"}), timeout=5).close()


if __name__ == "__main__":
    main()
