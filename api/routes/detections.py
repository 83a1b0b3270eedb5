"""Images whose marks somebody asks about, whoever made them."""

from typing import Annotated

from fastapi import Depends

from api.dependencies import SessionNow
from api.problems import problems
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.detections import DetectionView
from api.submission.detection import MaybeReader, get_maybe_reader, read_marks
from api.submission.photograph import document_photograph
from api.views.detections import view_detection
from core.links import DETECT
from core.pictures.marks import Marks

router = Router(
    route_class=TransactionRoute,
    prefix=DETECT,
    tags=["Marks"],
    # First of all: without a key, where one is asked for, nobody's upload is read.
    dependencies=[Depends(get_maybe_reader)],
)


@router.post(
    "",
    operation_id="detect_marks",
    responses=problems(409),
    openapi_extra=document_photograph("The image."),
)
def post_image(
    caller: MaybeReader, found: Annotated[Marks, Depends(read_marks)], session: SessionNow
) -> DetectionView:
    """Report whether a machine made an image: by its metadata, signature and watermark.

    As a form's `file`, or as the body itself (`application/octet-stream`, or any `image/*`), of at
    most 16 megapixels. It is not kept. Without a key where the deployment allows it.
    """
    return view_detection(session, found, tenant=caller.tenant if caller else None)
