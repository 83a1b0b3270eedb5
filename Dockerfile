# Two images from one lock: "api" (also for housekeeping, migrations and Flower) and "worker", which
# has PyTorch's CPU build besides.

FROM python:3.12-slim AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PACKSHOT_HOME=/var/lib/packshot
RUN useradd --uid 10001 --create-home packshot \
    && install --directory --owner=packshot --group=packshot /var/lib/packshot
WORKDIR /app

FROM base AS dependencies
RUN python -m venv /opt/venv
COPY requirements.lock .
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
        --requirement requirements.lock

FROM dependencies AS torch
RUN pip install --no-cache-dir --no-deps torch==2.13.0+cpu \
        --extra-index-url https://download.pytorch.org/whl/cpu

FROM scratch AS source
COPY api /api
COPY bundles /bundles
COPY catalogue /catalogue
COPY cli /cli
COPY core /core
COPY local /local
COPY migrations /migrations
COPY worker /worker

FROM base AS api
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=source / /app/
USER packshot
CMD ["python", "-m", "api"]

FROM base AS worker
COPY --from=torch /opt/venv /opt/venv
COPY --from=source / /app/
USER packshot
CMD ["python", "-m", "worker"]
