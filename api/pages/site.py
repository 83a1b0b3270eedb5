"""Every page there is."""

from api.pages import home, pictures, sign_in, static_files

ROUTERS = (
    static_files.router,
    sign_in.router,
    home.router,
    pictures.router,
)
