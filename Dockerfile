# Two images: "api" (also for housekeeping, webhooks, Flower and migrations), which has no model
# library, and "worker", which has all of requirements.lock and PyTorch's CPU build.

FROM python:3.12-slim AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PACKSHOT_HOME=/var/lib/packshot
RUN useradd --uid 10001 --create-home packshot \
    && install --directory --owner=packshot --group=packshot /var/lib/packshot
WORKDIR /app

FROM base AS api-dependencies
RUN python -m venv /opt/venv
COPY requirements-api.lock .
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
        --requirement requirements-api.lock

FROM api-dependencies AS worker-dependencies
COPY requirements.lock .
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
        --requirement requirements.lock \
    && pip install --no-cache-dir --no-deps torch==2.13.0+cpu \
        --extra-index-url https://download.pytorch.org/whl/cpu \
    # 108 MB that tests alone read.
    && pip uninstall --yes kubernetes-validate

FROM scratch AS source
COPY api /api
COPY bundles /bundles
COPY catalogue /catalogue
COPY cli /cli
COPY core /core
COPY local /local
COPY migrations /migrations
COPY modelkit /modelkit
COPY ops /ops
COPY starter /starter
COPY worker /worker

FROM base AS api
COPY --from=api-dependencies /opt/venv /opt/venv
COPY --from=source / /app/
USER packshot
CMD ["python", "-m", "api"]

FROM base AS worker
COPY --from=worker-dependencies /opt/venv /opt/venv
COPY --from=source / /app/
USER packshot
CMD ["python", "-m", "worker"]
