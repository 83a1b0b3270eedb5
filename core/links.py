"""Paths of the API, for those who name them without being the API."""

from uuid import UUID

BATCHES = "/v1/batches"
SOURCES = "/v1/sources"
OPENAI = "/openai/v1"
DETECT = "/v1/detect"
WORKBENCH = "/workbench"
"""Of the pages for people."""
PREVIEW = f"{WORKBENCH}/preview"
NEW_BATCH = f"{WORKBENCH}/new"
NEW_PHOTOGRAPHS = f"{NEW_BATCH}/photographs"
SHEETS = frozenset({BATCHES, PREVIEW, f"{PREVIEW}/all", NEW_BATCH, f"{NEW_BATCH}/all"})
"""To which sheets are sent: they are read by the service for sheets, within its bounds."""


def job_path(job_id: UUID) -> str:
    """Return the path of a job."""
    return f"/v1/jobs/{job_id}"


def image_path(job_id: UUID) -> str:
    """Return the path of a job's image."""
    return f"{job_path(job_id)}/image"


def batch_path(batch_id: UUID) -> str:
    """Return the path of a batch."""
    return f"{BATCHES}/{batch_id}"


def results_path(batch_id: UUID) -> str:
    """Return the path of a batch's results sheet."""
    return f"{batch_path(batch_id)}/results.csv"


def source_path(source_id: UUID) -> str:
    """Return the path of a photograph that came in."""
    return f"{SOURCES}/{source_id}"
