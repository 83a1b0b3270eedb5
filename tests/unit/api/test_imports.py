"""The API loads no model library, and connects to nothing before it is started."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

PROGRAM = """
import json, sys, time
began = time.process_time()
from api.app import create_app
from core.settings import Settings
app = create_app(Settings(_env_file=None))
app.openapi()
print(json.dumps({"modules": sorted(sys.modules), "seconds": time.process_time() - began}))
"""

HEAVY = {"torch", "openvino", "diffusers", "optimum", "nncf", "transformers", "numpy", "pandas"}


def test_making_the_application_loads_no_model_library():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={"PACKSHOT_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:9/none"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    print(f"made in {found['seconds']:.2f} s of CPU time")
    assert not HEAVY & set(found["modules"])
