"""Wait until the database has the schema of this image, or a newer one.

Pods start in no order, and the job `migrate` runs beside them. A version that this image does not
know is a newer one, on which it runs.
"""

import os
import signal
import sys
import time

from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from core.settings import get_settings
from migrations import configuration

PAUSE_SECONDS = 2


def main() -> None:
    """Wait, and say for what."""
    # The first process of a container ignores a signal that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    settings = get_settings()
    scripts = ScriptDirectory.from_config(configuration(settings.database_url))
    older = {one.revision for one in scripts.walk_revisions()} - {scripts.get_current_head()}
    engine = create_engine(
        settings.database_url, connect_args={"connect_timeout": int(settings.connect_timeout) + 1}
    )
    said = ""
    while True:
        try:
            with engine.connect() as connection:
                found = connection.execute(text("select version_num from alembic_version")).scalar()
            if found and found not in older:
                return
            reason = f"the database is at {found or 'no version'}; the job migrate upgrades it"
        except DBAPIError as error:
            reason = str(error.orig).strip().splitlines()[0]
        if reason != said:
            print(f"waiting: {reason}", file=sys.stderr, flush=True)
        said = reason
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
