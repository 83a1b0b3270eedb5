"""The Celery application for its tools, as in `celery -A worker.app inspect active`."""

from core.queue import make_celery
from core.settings import get_settings

app = make_celery(get_settings())
