"""A job's image as channels want it, over HTTP: links, files, and public addresses."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import quote
from uuid import UUID

from sqlalchemy import select
from sqlmodel import Session, col

from api.schemas.renditions import RenditionLink, RenditionList, RenditionView
from api.services import Services
from api.views.images import gone
from catalogue.channels import Channel, UnknownChannelError, find_channel, note_on, round_factor
from catalogue.naming import Names
from catalogue.renditions.store import Get
from core.db.models import Image, Job, Rendition
from core.errors import NotFoundError
from core.lifecycle import renditions
from core.lifecycle.approval import given_out, may_be_given_out
from core.lifecycle.erasure import visible
from core.pictures.formats import ORIGINAL

PUBLIC = "/files"
"""What paths that need no key begin with."""

_NONE: Mapping[tuple[UUID, str], Rendition] = MappingProxyType({})


def known_channels(files: Mapping[str, str]) -> Sequence[Channel]:
    """Return the channels among a job's files, as far as this version knows them."""
    return [found for name in sorted(files) if (found := _known(name))]


def _known(name: str) -> Channel | None:
    try:
        return None if name == ORIGINAL else find_channel(name)
    except UnknownChannelError:
        return None


def channel_named(name: str) -> Channel:
    """Find a channel of a request's path.

    Raises:
        NotFoundError: There is none of that name.
    """
    try:
        return find_channel(name)
    except UnknownChannelError as error:
        raise NotFoundError(str(error)) from error


def file_name_of(job: Job, channel: Channel | None = None) -> str:
    """Return what a file of a job is called; None: the model's own."""
    name = job.files.get(channel.name if channel else ORIGINAL)
    if name:
        return name
    stem = Names().take(sku=job.sku, variant=job.variant, line=job.line)
    return f"{stem}.{channel.format.extension if channel else 'png'}"


def public_path(image: Image, channel: Channel, file_name: str) -> str:
    """Return the path that reads a rendition without a key.

    Nobody guesses it, it ends as the format's files do, and it is gone with the image.
    """
    return f"{PUBLIC}/{image.token.hex}/{channel.name}/{quote(file_name)}"


Made = Mapping[tuple[UUID, str], Rendition]
"""Renditions that are in store, by image and channel."""


def find_made(session: Session, images: Iterable[tuple[Job, Image | None]]) -> Made:
    """Find the renditions of some jobs' images, in one query, or none where nobody wants any."""
    found = [(image.id, known_channels(job.files)) for job, image in images if image]
    specs = {channel.name: channel.spec for _, channels in found for channel in channels}
    return renditions.find_all(session, [image_id for image_id, _ in found], specs)


def link_to(
    job: Job, image: Image | None, channel: Channel, base: str = "", made: Made = _NONE
) -> RenditionLink:
    """Write where one rendition is, and what it became.

    Args:
        job: Whose file it is.
        image: Its image, if there is one.
        channel: What it is for.
        base: The API's public address, if it has one.
        made: What is in store.
    """
    file_name = file_name_of(job, channel)
    public = None
    if image and may_be_given_out(job):
        public = base.rstrip("/") + public_path(image, channel, file_name)
    rendition = made.get((image.id, channel.name)) if image else None
    return RenditionLink(
        channel=channel.name,
        file_name=file_name,
        content_type=channel.format.content_type,
        url=f"/v1/jobs/{job.id}/renditions/{channel.name}",
        public_url=public,
        **_outcome(channel, rendition) if rendition else {},
    )


def _outcome(channel: Channel, made: Rendition) -> dict[str, Any]:
    note = note_on(
        channel,
        ground=made.ground,
        upscaled=made.upscaled,
        unclear=made.unclear,
        fill=made.fill,
    )
    factor = round_factor(made.upscaled)
    return {"ground": made.ground, "upscaled": factor, "fill": made.fill, "note": note}


def links_of(
    job: Job, image: Image | None, base: str = "", made: Made = _NONE
) -> list[RenditionLink]:
    """Write where a job's renditions are."""
    return [link_to(job, image, channel, base, made) for channel in known_channels(job.files)]


def list_renditions(
    session: Session, job: Job, image: Image | None, base: str = ""
) -> RenditionList:
    """Write a job's renditions, those that are made with their files' figures."""
    made = find_made(session, [(job, image)])
    return RenditionList(
        items=[
            _view(link, made.get((image.id, link.channel)) if image else None)
            for link in links_of(job, image, base, made)
        ]
    )


def _view(link: RenditionLink, made: Rendition | None) -> RenditionView:
    found = {name: getattr(made, name) for name in _FILE} if made else {}
    return RenditionView(**link.model_dump(), made=made is not None, **found)


_FILE = ("digest", "size", "width", "height")


def public_image(session: Session, token: UUID, channel: Channel) -> tuple[Image, bool]:
    """Find the image of a public path.

    Returns:
        It, and whether a cache may keep it without asking: not where it is given out because
        somebody approved it, which may be taken back.

    Raises:
        NotFoundError: There is none, it was deleted, no job asked for it on this channel, or none
            of those may give it out.
    """
    asked = select(col(Job.id)).where(
        col(Job.image_id) == col(Image.id),
        col(Job.files).op("?")(channel.name),
        visible(Job.batch_id),
        given_out(),
    )
    free = asked.where(~col(Job.require_approval)).exists()
    statement = select(Image, free).where(
        col(Image.token) == token, col(Image.doomed_at).is_(None), asked.exists()
    )
    row = session.execute(statement).one_or_none()
    if row is None:
        raise NotFoundError("There is no such file here, or it was deleted.")
    image: Image = row[0]
    return image, row[1]


def ready_rendition(services: Services, image: Image, channel: Channel, get: Get) -> Rendition:
    """Find a rendition, or make it. Hold no database session meanwhile.

    Raises:
        GoneError: The image is not in store any more.
        RenditionError: It cannot be made into what the channel wants.
    """
    try:
        return get(image, channel)
    except NotFoundError as error:
        raise gone(services, image, error) from error


def rendition_body(
    services: Services, image: Image, channel: Channel, get: Get
) -> tuple[Rendition, bytes]:
    """Return a rendition and its bytes; one whose object was lost is made again.

    Raises:
        GoneError: The image is not in store any more.
        RenditionError: It cannot be made into what the channel wants.
        StoredObjectLostError: S3 loses what was written a moment ago.
    """

    def ready(image: Image, channel: Channel) -> Rendition:
        return ready_rendition(services, image, channel, get)

    return services.renditions.read(image, channel, ready)
