"""A real PgBouncer in transaction mode before Postgres, with fewer connections than ask for one."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from core.db.engine import Database
from core.db.locks import take_advisory_lock
from core.domain.states import JobState
from tests.integration.shop import Shop

CONNECTIONS = 2
CONFIGURATION = """
[databases]
* = host={host} port={port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
server_round_robin = 1
"""
"""Whoever gets a connection gets the one that was used longest ago: none is anybody's own."""


@pytest.fixture
def folder():
    """A folder that others may read, which those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def pooled(settings, folder):
    """A database behind PgBouncer."""
    command = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if command is None:
        pytest.skip("PgBouncer is not installed: apt-get install pgbouncer")
    postgres = make_url(settings.database_url)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = folder / "pgbouncer.ini"
    file.write_text(
        CONFIGURATION.format(
            host=postgres.host,
            port=postgres.port,
            user=postgres.username,
            password=postgres.password,
            listen_port=port,
            connections=CONNECTIONS,
        )
    )
    # It refuses to run as root; whoever it runs as must be able to read its file.
    user = ("--user", "nobody") if os.getuid() == 0 else ()
    with subprocess.Popen([command, "--quiet", *user, str(file)]) as process:
        wait_for(port)
        url = postgres.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        database = Database(
            settings.model_copy(update={"database_url": url, "database_pooler": True})
        )
        yield database
        database.close()
        process.terminate()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise TimeoutError("PgBouncer does not listen")


def test_work_is_done_over_connections_that_change_with_each_transaction(pooled):
    shop = Shop(pooled)
    backends = set()

    def make(job_id):
        claim = shop.start(job_id)
        with pooled.session() as session:
            backends.add(session.execute(text("select pg_backend_pid()")).scalar_one())
        assert shop.succeed(claim)

    jobs = shop.want(*(f"mug {number}" for number in range(40)), batch=True).job_ids
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(make, jobs))
    assert {shop.job(job).state for job in jobs} == {JobState.SUCCEEDED}
    assert shop.batch_of(jobs[0]).open_jobs == 0
    assert len(backends) == CONNECTIONS


def test_locks_by_name_exclude_and_end_with_their_transaction(pooled):
    inside, most = 0, 0

    def enter(_):
        nonlocal inside, most
        with pooled.session() as session:
            take_advisory_lock(session, "one at a time")
            inside += 1
            most = max(most, inside)
            session.execute(text("select pg_sleep(0.01)"))
            inside -= 1

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(enter, range(20)))
    assert most == 1
    with pooled.session() as session:
        held = session.execute(text("select count(*) from pg_locks where locktype = 'advisory'"))
        assert held.scalar_one() == 0
