import os
import subprocess
import sys
from pathlib import Path

import yaml

from local.s3 import REGION, S3

ROOT = Path(__file__).parents[3]


def test_the_bucket_is_made_once(tmp_path: Path):
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    python, *arguments = compose["services"]["bucket"]["command"]
    assert python == "python"
    with S3(tmp_path) as s3:
        environment = {
            **os.environ,
            "PACKSHOT_S3_ENDPOINT_URL": s3.endpoint_url,
            "PACKSHOT_S3_BUCKET": "packshot",
            "PACKSHOT_S3_REGION": REGION,
            "PACKSHOT_S3_ACCESS_KEY_ID": s3.access_key_id,
            "PACKSHOT_S3_SECRET_ACCESS_KEY": s3.secret_access_key,
        }
        for _ in range(2):
            subprocess.run([sys.executable, *arguments], env=environment, cwd=ROOT, check=True)
            buckets = s3.client.list_buckets()["Buckets"]
            assert [bucket["Name"] for bucket in buckets] == ["packshot"]
