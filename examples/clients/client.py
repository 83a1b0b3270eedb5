"""Submit a sheet, wait, download: PACKSHOT_URL=… PACKSHOT_KEY=… python client.py SHEET FOLDER."""

import os
import sys
import uuid
from pathlib import Path

import httpx

sheet, folder = Path(sys.argv[1]), Path(sys.argv[2])


def checked(answer: httpx.Response) -> httpx.Response:
    """Return an answer, or end with the problem, which says what is wrong and what to do."""
    return answer if answer.is_success else sys.exit(answer.text)


with httpx.Client(base_url=os.environ["PACKSHOT_URL"], timeout=90) as packshot:
    packshot.headers["Authorization"] = f"Bearer {os.environ['PACKSHOT_KEY']}"
    files = {"file": (sheet.name, sheet.read_bytes())}
    once = {"Idempotency-Key": str(uuid.uuid4())}
    batch = checked(packshot.post("/v1/batches", files=files, headers=once)).json()
    while batch["state"] == "running":
        print(batch["counts"])
        batch = checked(packshot.get(batch["links"]["self"], params={"wait": 60})).json()
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("results", "images"):
        link = batch["links"][name]
        (folder / Path(link).name).write_bytes(checked(packshot.get(link)).content)
    print(batch["state"], batch["counts"])
