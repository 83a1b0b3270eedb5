import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import boto3
import botocore.exceptions
import httpx
import psycopg
import pytest
import redis
from botocore.config import Config

from local.errors import ProcessFailedError
from local.infrastructure import BUCKET, DATABASE, Infrastructure
from local.postgres import Postgres
from local.s3 import REGION, S3
from local.valkey import ONCE, Valkey


@pytest.fixture(scope="module")
def infrastructure(tmp_path_factory: pytest.TempPathFactory, copy_postgres: Callable[[Path], None]):
    # A space, and longer than the 107 bytes that a socket's path may have.
    home = tmp_path_factory.mktemp("in fra") / ("long" * 30)
    copy_postgres(home / "postgres")
    with Infrastructure(home, durable=False) as running:
        yield running


@pytest.fixture
def connection(infrastructure: Infrastructure):
    with psycopg.connect(
        infrastructure.postgres.connection_string(DATABASE), autocommit=True
    ) as connection:
        yield connection


def test_postgres_has_pgvector_and_sorts_by_code_point(connection: psycopg.Connection):
    connection.execute("CREATE EXTENSION vector")
    distance = connection.execute("SELECT '[1,0]'::vector <=> '[0,1]'::vector").fetchone()
    assert distance == (1.0,)
    rows = connection.execute("SELECT v FROM (VALUES ('b'), ('A'), ('a')) AS t(v) ORDER BY v")
    assert [row[0] for row in rows] == ["A", "a", "b"]
    assert connection.execute("SELECT upper('é')").fetchone() == ("É",)


def test_postgres_wants_its_password(infrastructure: Infrastructure):
    address = infrastructure.postgres.connection_string().replace(
        infrastructure.postgres.password, "guess"
    )
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(address)


def test_a_database_can_be_cloned_from_a_template(infrastructure: Infrastructure):
    postgres = infrastructure.postgres
    postgres.create_database("template_one")
    with psycopg.connect(postgres.connection_string("template_one")) as connection:
        connection.execute("CREATE TABLE mug AS SELECT 1 AS handle")
    postgres.create_database("clone_one", template="template_one")
    with psycopg.connect(postgres.connection_string("clone_one"), autocommit=True) as connection:
        assert connection.execute("SELECT handle FROM mug").fetchone() == (1,)
        postgres.drop_database("clone_one")  # though somebody is connected
    postgres.drop_database("template_one")
    postgres.drop_database("template_one")  # nothing to do


def test_valkey_keeps_every_message(infrastructure: Infrastructure):
    with redis.Redis.from_url(infrastructure.valkey.url()) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    with (
        redis.Redis(port=infrastructure.valkey.port, retry=ONCE) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_s3_does_what_packshot_needs(infrastructure: Infrastructure):
    client = infrastructure.s3.client
    key = "images/ä b+c&(1).png"
    client.put_object(Bucket=BUCKET, Key=key, Body=b"pixels", ContentType="image/png")
    with pytest.raises(botocore.exceptions.ClientError, match="PreconditionFailed"):
        client.put_object(Bucket=BUCKET, Key=key, Body=b"others", IfNoneMatch="*")
    address = client.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": key})
    response = httpx.get(address)
    assert response.content == b"pixels"
    assert response.headers["content-type"] == "image/png"
    client.delete_object(Bucket=BUCKET, Key=key)
    assert httpx.get(address).status_code == 404


def test_s3_refuses_what_is_not_signed_with_its_key(infrastructure: Infrastructure):
    s3 = infrastructure.s3
    s3.client.put_object(Bucket=BUCKET, Key="kept", Body=b"1")
    parameters = {"Bucket": BUCKET, "Key": "kept"}
    signed = s3.client.generate_presigned_url("get_object", parameters)
    for method, address in (
        ("GET", f"{s3.endpoint_url}/{BUCKET}/kept"),
        ("DELETE", f"{s3.endpoint_url}/{BUCKET}/kept"),
        ("PUT", f"{s3.endpoint_url}/{BUCKET}/kept"),
        ("POST", f"{s3.endpoint_url}/_ministack/reset"),
        ("GET", s3.endpoint_url),
        ("GET", signed[:-8] + "deadbeef"),
        ("GET", signed.replace("/kept?", "/other?")),
        ("DELETE", signed),
        ("GET", s3.client.generate_presigned_url("get_object", parameters, ExpiresIn=-60)),
    ):
        assert httpx.request(method, address).status_code == 403, (method, address)
    for key, secret in ((s3.access_key_id, "guess"), ("test", "test")):
        stranger = boto3.client(
            "s3",
            endpoint_url=s3.endpoint_url,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}),
        )
        with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
            stranger.list_buckets()
        stranger.close()
    assert s3.client.get_object(Bucket=BUCKET, Key="kept")["Body"].read() == b"1"


def test_everything_survives_a_restart(tmp_path: Path, copy_postgres: Callable[[Path], None]):
    copy_postgres(tmp_path / "postgres")

    def values(running: Infrastructure) -> tuple[object, object, object]:
        with psycopg.connect(running.postgres.connection_string(DATABASE)) as connection:
            row = connection.execute("SELECT sku FROM product").fetchone()
        with redis.Redis.from_url(running.valkey.url()) as client:
            queued = client.lrange("standard", 0, -1)
        stored = running.s3.client.get_object(Bucket=BUCKET, Key="mug.png")["Body"].read()
        return row, queued, stored

    with Infrastructure(tmp_path, durable=False) as running:
        with psycopg.connect(running.postgres.connection_string(DATABASE)) as connection:
            connection.execute("CREATE TABLE product AS SELECT 'MUG-1' AS sku")
        with redis.Redis.from_url(running.valkey.url()) as client:
            client.rpush("standard", "job")
        running.s3.client.put_object(Bucket=BUCKET, Key="mug.png", Body=b"pixels")
        environment = running.environment
    with Infrastructure(tmp_path, durable=False) as running:
        assert values(running) == (("MUG-1",), [b"job"], b"pixels")
        assert running.environment == environment  # ports and passwords too
        for server in running.servers:  # a crash, and an address that stays
            assert server.process is not None
            assert server.process.pid is not None
            os.kill(server.process.pid, signal.SIGKILL)
    with Infrastructure(tmp_path, durable=False) as running:
        assert values(running) == (("MUG-1",), [b"job"], b"pixels")


def test_an_initdb_that_was_interrupted_does_no_harm(tmp_path: Path):
    half = tmp_path / "data.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with Postgres(tmp_path, durable=False) as postgres:
        postgres.ensure_database("packshot")
    assert not half.exists()
    assert not (tmp_path / "initdb.password").exists()


def test_a_damaged_database_is_reported_with_the_log(tmp_path: Path):
    (tmp_path / "data").mkdir(mode=0o700)
    with pytest.raises(ProcessFailedError) as caught:
        Postgres(tmp_path).start()
    assert "postgres ended (exit code 2)" in str(caught.value)
    assert str(tmp_path / "postgres.log") in str(caught.value)


@pytest.mark.parametrize("kind", [Valkey, S3])
def test_secrets_are_not_on_the_command_line(tmp_path: Path, kind: type[Valkey] | type[S3]):
    with kind(tmp_path) as server:
        assert server.process is not None
        line = Path(f"/proc/{server.process.pid}/cmdline").read_text()
    for file in (*tmp_path.glob("password"), *tmp_path.glob("*key*")):
        assert file.read_text().strip() not in line


@pytest.mark.skipif(os.geteuid() != 0, reason="only root cannot run Postgres as it is")
def test_root_runs_postgres_as_somebody_else(copy_postgres: Callable[[Path], None]):
    """As nobody; in a folder that nobody cannot enter, under another name. The data follow."""
    folder = Path(tempfile.mkdtemp())  # pytest's own are all private
    try:
        copy_postgres(folder / "postgres")
        for mode in (0o755, 0o700, 0o755):
            folder.chmod(mode)
            with Postgres(folder / "postgres", durable=False) as postgres:
                assert postgres.process is not None
                status = Path(f"/proc/{postgres.process.pid}/status").read_text()
                user = status.partition("\nUid:")[2].split()[0]
                assert (user == "0") == (mode == 0o700)
    finally:
        shutil.rmtree(folder)
