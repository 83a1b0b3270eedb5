#!/usr/bin/env python3
"""Try compose.yaml with a Docker engine, from the build to the last volume, and print what is seen.

    python deploy/try_compose.py             # needs docker, Compose 2.20 or later, Python 3.11
    python deploy/try_compose.py --no-build  # of the images that are there

It is a project of its own beside what runs, with passwords and ports of its own, and takes it down
again. COMPOSE_FILE names other files than compose.yaml, as with Compose itself. Exit code 1: a
check failed; `--keep` leaves everything running then.
"""

import argparse
import json
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PROJECT = "packshot-trial"
ONCE = ("migrate", "bucket", "bundle")
OURS = ("api", "sheets", "worker", "housekeeping", "webhooks", "flower")
KILLED = ("worker", "api", "sheets", "housekeeping", "webhooks")
PASSWORDS = (
    "POSTGRES_PASSWORD", "VALKEY_PASSWORD", "GRAFANA_PASSWORD", "PACKSHOT_METRICS_TOKEN",
    "PACKSHOT_S3_ACCESS_KEY_ID", "PACKSHOT_S3_SECRET_ACCESS_KEY",
)  # fmt: skip
PORTS = ("PACKSHOT_API_PORT", "FLOWER_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT")
MINUTES = 20
MEASURED = ("api", "sheets", "worker", "housekeeping")
RECEIVER = f"{PROJECT}-receiver"
INSIDE = """
import json, os, pathlib, re
status = pathlib.Path("/proc/1/status").read_text()
found = dict(re.findall(r"^(Uid|CapEff|CapBnd|NoNewPrivs):\\s+(\\S+)", status, re.M))
for name, folder in ("app", "/app"), ("tmp", "/tmp"), ("home", os.environ["PACKSHOT_HOME"]):
    try:
        path = pathlib.Path(folder, "a-trial")
        path.touch()
        path.unlink()
        found[name] = "written"
    except OSError as error:
        found[name] = error.strerror
print(json.dumps(found))
"""
"""What process 1 of a container may do, and where its user may write."""
CONFINED = {
    "Uid": "10001", "CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1",
    "app": "Read-only file system", "tmp": "written",
}  # fmt: skip
VERIFYING = """
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from standardwebhooks import Webhook

class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print(Webhook(os.environ["SECRET"]).verify(body, dict(self.headers))["type"], flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass

HTTPServer(("", 8080), Receiver).serve_forever()
"""


class Trial:
    """The project, and what was found wrong with it."""

    def __init__(self, variables: dict[str, str], file: Path) -> None:
        self.variables = variables
        self.failed = 0
        self.compose = ["docker", "compose", "--project-name", PROJECT, "--env-file", str(file)]
        self.url = f"http://127.0.0.1:{variables['PACKSHOT_API_PORT']}"
        self.key = ""

    def run(self, *words: str) -> str:
        """Run a subcommand of Compose, its output returned, what it tells people shown.

        Raises:
            CalledProcessError: It failed.
        """
        done = subprocess.run(
            [*self.compose, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
        )
        return done.stdout

    def containers(self) -> list[dict[str, Any]]:
        """Return what Compose says of each container, those that ended too."""
        text = self.run("ps", "--all", "--format", "json")
        found = [json.loads(line) for line in text.splitlines()]
        return [one for part in found for one in (part if isinstance(part, list) else [part])]

    def check(self, holds: bool, what: str) -> None:
        """Print what was checked, and remember whether one failed."""
        self.failed += not holds
        print(f"{'ok    ' if holds else 'FAILED'} {what}", flush=True)

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> bytes:
        """Send a request to the API, with the key: again where the API is away."""
        headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(self.url + path, data=body, headers=headers)
        answer = b""

        def answered() -> bool:
            nonlocal answer
            try:
                with urllib.request.urlopen(request, timeout=90) as response:
                    answer = response.read()
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
                return False
            except (OSError, ConnectionError):
                return False
            return True

        until(answered, f"an answer to {path}")
        return answer


def docker(*words: str) -> str:
    """Run a command of Docker and return its output."""
    return subprocess.run(
        ["docker", *words], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()


def until(holds: Callable[[], bool], what: str) -> float:
    """Wait until something holds, and return after how many seconds.

    Raises:
        SystemExit: It did not in 20 minutes.
    """
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > MINUTES * 60:
            sys.exit(f"{what}: not within {MINUTES} minutes. Look at `docker compose logs`.")
        time.sleep(1)
    return time.monotonic() - begun


def free_port() -> str:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


@contextmanager
def trial(keep: bool) -> Iterator[Trial]:
    """Set the project's passwords and ports, and take it down afterwards."""
    variables = {name: secrets.token_hex(16) for name in PASSWORDS}
    variables |= {name: free_port() for name in PORTS}
    variables["FLOWER_BASIC_AUTH"] = f"watcher:{secrets.token_hex(16)}"
    variables |= {"PACKSHOT_OUTBOUND_ALLOW": RECEIVER, "PACKSHOT_OUTBOUND_PORTS": "8080"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "env"
        file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
        one = Trial(variables, file)
        ended = False
        try:
            yield one
            ended = not one.failed
        finally:
            if ended or not keep:
                take_down(one)


def take_down(one: Trial) -> None:
    """Remove containers, volumes and the network."""
    subprocess.run(["docker", "rm", "--force", RECEIVER], check=False, capture_output=True)
    one.run("down", "--volumes", "--remove-orphans")
    label = f"label=com.docker.compose.project={PROJECT}"
    left = docker("volume", "ls", "-q", "-f", label) + docker("ps", "-aq", "-f", label)
    one.check(not left, "no container and no volume is left")


def start(one: Trial) -> None:
    """Start everything, and wait for health."""
    begun = time.monotonic()
    one.run("up", "--detach")
    wait_until_healthy(one)
    print(f"       healthy after {time.monotonic() - begun:.0f} s, bundle and tables made")
    for container in one.containers():
        if container["Service"] in ONCE:
            one.check(container["ExitCode"] == 0, f"{container['Service']} ended with 0")


def wait_until_healthy(one: Trial) -> None:
    """Wait until each container that has a health check passes it."""

    def healthy() -> bool:
        found = [each for each in one.containers() if each["Service"] not in ONCE]
        ended = [each["Name"] for each in found if each["State"] in ("exited", "dead")]
        if ended:
            sys.exit(f"{', '.join(ended)} ended. Look at `docker logs`.")
        return all(each["Health"] == "healthy" for each in found)

    until(healthy, "health")


def check_rights(one: Trial) -> None:
    """Look at what each container was given, and at what its process may do."""
    for container in one.containers():
        name = container["Name"]
        if container["Service"] in ONCE:
            continue
        (seen,) = json.loads(docker("inspect", name))
        given = seen["HostConfig"]
        facts = [
            f"at most {given['Memory'] / 2**20:.0f} MiB",
            f"user {docker('exec', name, 'id', '-u')}",
        ]
        holds = given["Memory"] > 0 and given["RestartPolicy"]["Name"] == "unless-stopped"
        if container["Service"] in OURS:
            found = json.loads(docker("exec", name, "python", "-c", INSIDE))
            home = "Read-only file system" if container["Service"] == "flower" else "written"
            holds = holds and found == {**CONFINED, "home": home}
            facts += [f"{key} {value}" for key, value in found.items()]
        one.check(holds, f"{name}: {', '.join(facts)}")


def check_prometheus(one: Trial) -> None:
    """See that it finds every process by its name, and is let in with the token of its secret."""
    address = f"http://127.0.0.1:{one.variables['PROMETHEUS_PORT']}/api/v1/targets"
    found: list[str] = []

    def read() -> bool:
        with urllib.request.urlopen(address, timeout=10) as answer:
            targets = json.load(answer)["data"]["activeTargets"]
        up = [each["labels"]["job"] for each in targets if each["health"] == "up"]
        found[:] = sorted(up)
        return len(up) == len(targets) >= len(MEASURED)

    until(read, "Prometheus reading every process")
    one.check(set(found) == set(MEASURED), f"Prometheus reads {', '.join(found)}")


def hear(one: Trial) -> None:
    """Start a receiver of webhooks in the network, which verifies what it is sent."""
    body = json.dumps({"url": f"http://{RECEIVER}:8080/", "events": ["batch.completed"]}).encode()
    kind = {"Content-Type": "application/json"}
    secret = json.loads(one.ask("/v1/webhook-endpoints", body, **kind))["secret"]
    docker(
        *("run", "--detach", "--name", RECEIVER, "--network", f"{PROJECT}_default"),
        *("--env", f"SECRET={secret}", "packshot-api", "python", "-c", VERIFYING),
    )


def check_webhooks(one: Trial, batches: int) -> None:
    """See that each batch's end was told, and signed."""
    until(lambda: len(docker("logs", RECEIVER).split()) >= batches, "a webhook for each batch")
    told = docker("logs", RECEIVER).split()
    one.check(set(told) == {"batch.completed"}, f"{len(told)} webhooks, their signatures verified")


def submit(one: Trial, sheet: bytes) -> str:
    """Submit a sheet and return the path of its batch."""
    boundary = uuid.uuid4().hex
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="trial.csv"\r\n\r\n'
    )
    body = head.encode() + sheet + f"\r\n--{boundary}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    answer = one.ask("/v1/batches", body, **kind, **{"Idempotency-Key": boundary})
    path: str = json.loads(answer)["links"]["self"]
    return path


def finish(one: Trial, path: str) -> None:
    """Wait for a batch's end, and open all of its images."""
    batch: dict[str, Any] = {}

    def ended() -> bool:
        batch.update(json.loads(one.ask(f"{path}?wait=20")))
        return bool(batch["state"] != "running")

    seconds = until(ended, "the sheet")
    made = batch["counts"]["succeeded"]
    one.check(made == batch["total"], f"the sheet: {batch['state']}, {made} of {batch['total']}")
    print(f"       finished {seconds:.0f} s later")
    with zipfile.ZipFile(BytesIO(one.ask(batch["links"]["images"]))) as images:
        pictures = [name for name in images.namelist() if name.endswith(".png")]
        whole = all(images.read(name).startswith(b"\x89PNG") for name in pictures)
    one.check(whole and bool(pictures), f"{len(pictures)} images in the archive")


def kill(one: Trial, service: str) -> None:
    """Kill a service's first process as the kernel would, so that the engine has to start it again.

    `docker kill` would count as stopped by hand. A container that sees the host's processes can.
    """
    name = next(each["Name"] for each in one.containers() if each["Service"] == service)
    pid = docker("inspect", "--format", "{{.State.Pid}}", name)
    before = int(docker("inspect", "--format", "{{.RestartCount}}", name))
    program = f"import os; os.kill({pid}, 9)"
    docker(
        *("run", "--rm", "--pid=host", "--user=0", "--network=none"),
        *("packshot-api", "python", "-c", program),
    )

    def restarted() -> bool:
        return int(docker("inspect", "--format", "{{.RestartCount}}", name)) > before

    until(restarted, f"{name} to be restarted")
    one.check(True, f"{name}: killed and started again")


def stop(one: Trial, service: str, grace: float) -> None:
    """Stop a service as Compose does: it has to end by itself within its grace."""
    begun = time.monotonic()
    one.run("stop", service)
    seconds = time.monotonic() - begun
    codes = {each["ExitCode"] for each in one.containers() if each["Service"] == service}
    one.check(
        codes == {0}, f"{service}: ended {codes} {seconds:.0f} s after SIGTERM, of {grace:.0f}"
    )


def memory(one: Trial) -> None:
    """Print what each container takes at the moment."""
    ids = [each["ID"] for each in one.containers() if each["State"] == "running"]
    text = docker("stats", "--no-stream", "--format", "{{json .}}", *ids)
    for line in sorted(text.splitlines(), key=lambda line: json.loads(line)["Name"]):
        found = json.loads(line)
        print(f"       {found['Name']:32} {found['MemUsage']}")


def sizes() -> None:
    """Print how large the images are, uncompressed."""
    for name in ("packshot-api", "packshot-worker"):
        size = int(docker("image", "inspect", "--format", "{{.Size}}", name))
        print(f"       {name:32} {size / 1e6:.0f} MB")


def main() -> int:
    """Go through all of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave it running after a failure")
    options = parser.parse_args()
    with trial(options.keep) as one:
        if not options.no_build:
            one.run("build", "api", "worker")
        sizes()
        start(one)
        check_rights(one)
        check_prometheus(one)
        print("       memory at rest")
        memory(one)
        made = one.run(
            *("run", "--rm", "--no-deps", "-T", "api"),
            *("python", "-m", "cli", "keys", "create", "--tenant", "trial", "--name", "trial"),
        )
        one.key = re.findall(r"psk_\S+", made)[0]
        hear(one)
        sheet = (ROOT / "examples" / "catalogue.csv").read_bytes()
        path = submit(one, sheet)
        for service in KILLED:
            kill(one, service)
        print("       memory at work")
        memory(one)
        finish(one, path)
        wait_until_healthy(one)
        # In other words: images that nobody made yet.
        path = submit(one, sheet.replace(b"a ", b"one "))
        time.sleep(3)
        stop(one, "worker", 1800)
        stop(one, "api", 15)
        stop(one, "housekeeping", 15)
        stop(one, "webhooks", 30)
        one.run("up", "--detach")
        finish(one, path)
        check_webhooks(one, batches=2)
    print("failed:", one.failed)
    return bool(one.failed)


if __name__ == "__main__":
    sys.exit(main())
