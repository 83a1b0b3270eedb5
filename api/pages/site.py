"""Every page there is."""

from api.pages import batches, home, images, pictures, sign_in, static_files

ROUTERS = (
    static_files.router,
    sign_in.router,
    home.router,
    batches.router,
    images.router,
    pictures.router,
)
