"""RabbitMQ in the place of Redis: the same tests, and what differs."""

import pytest

from local.infrastructure import DATABASE
from tests.integration.rabbitmq import SERVER, RabbitMQ
from tests.integration.shop import poll

# The same tests, with `place` below in the place of theirs.
from tests.integration.worker.test_processes import (  # noqa: F401
    PACE,
    ROWS,
    SECONDS,
    crew,
    factory,
    test_kill_9_loses_no_image_and_finishes_none_twice,
    test_sigterm_finishes_what_runs_and_hands_the_rest_back,
)

pytestmark = pytest.mark.skipif(
    not SERVER.exists(),
    reason="RabbitMQ is not installed (Debian: apt-get install rabbitmq-server)",
)


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory):
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as rabbitmq:
        yield rabbitmq


@pytest.fixture(scope="module")
def place(services, rabbitmq, bundle, tmp_path_factory):
    """A database and settings for all chapters."""
    services.postgres.create_database("rabbitmq", template=DATABASE)
    yield services.environment | {
        "PACKSHOT_DATABASE_URL": services.postgres.url("rabbitmq"),
        "PACKSHOT_BROKER_URL": rabbitmq.url,
        "PACKSHOT_BUNDLE": str(bundle),
        "PACKSHOT_HOME": str(tmp_path_factory.mktemp("home")),
        **PACE,
    }
    services.postgres.drop_database("rabbitmq")


def test_a_rabbitmq_that_lost_its_data_loses_no_image(factory, crew, rabbitmq):  # noqa: F811
    (worker,) = crew.hire(1)
    ids = factory.order(3 * ROWS, steps=60)
    poll(lambda: factory.running(ids), seconds=SECONDS)

    rabbitmq.forget()

    factory.wait_until_done(ids)
    assert {row.attempts for row in factory.rows(ids)} == {1}
    assert worker.popen.poll() is None


def test_a_stopped_rabbitmq_keeps_nobody_waiting(factory, crew, rabbitmq):  # noqa: F811
    rabbitmq.stop()
    ids = factory.order(ROWS, steps=4)
    rabbitmq.start()
    factory.wait_until_done(ids)
