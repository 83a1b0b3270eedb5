"""Every page there is."""

from api.pages import (
    batches,
    home,
    images,
    models,
    new,
    new_photographs,
    pictures,
    preview,
    publishing,
    recipes,
    review,
    sign_in,
    static_files,
    system,
    webhooks,
)

ROUTERS = (
    static_files.router,
    sign_in.router,
    home.router,
    batches.router,
    review.router,
    images.router,
    new.router,
    new_photographs.router,
    preview.router,
    publishing.router,
    recipes.router,
    webhooks.router,
    models.router,
    system.router,
    pictures.router,
)
