"""Models: what each can do, who serves it, and what its presets are worth."""

from fastapi.responses import FileResponse, Response

from api.dependencies import ServicesNow, SessionNow, Tenant
from api.pages.page import PageNow
from api.pages.route import page_router
from api.views.models import list_models
from bundles.manifest import PRESETS_PICTURE
from core.errors import NotFoundError
from core.links import WORKBENCH

router = page_router(prefix=f"{WORKBENCH}/models")


@router.get("")
def get_models(
    page: PageNow, tenant: Tenant, services: ServicesNow, session: SessionNow
) -> Response:
    """Show the models that requests can name."""
    folders = services.models.folders
    pictures = {name for name in folders if (folders[name] / PRESETS_PICTURE).is_file()}
    models = list_models(session, services.models, tenant)
    return page.show("models.html", models=models, pictures=pictures)


@router.get("/{name}/presets.webp")
def get_presets_picture(name: str, _tenant: Tenant, services: ServicesNow) -> Response:
    """Send what the settings of a model's frontier draw."""
    folder = services.models.folders.get(name)
    if folder is None or not (folder / PRESETS_PICTURE).is_file():
        raise NotFoundError("There is no such picture: `packshot model presets` makes it.")
    return FileResponse(folder / PRESETS_PICTURE, media_type="image/webp")
