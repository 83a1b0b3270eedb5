# Two images: "api" (also for housekeeping, webhooks, Flower and migrations), which has no model
# library, and "worker", which has all that bundles are built and run with.

ARG PYTHON_IMAGE=python:3.12-slim
FROM ${PYTHON_IMAGE} AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PACKSHOT_HOME=/var/lib/packshot
RUN useradd --uid 10001 --create-home packshot \
    && install --directory --owner=packshot --group=packshot /var/lib/packshot
WORKDIR /app

FROM base AS api-dependencies
# The base's pip installs: none of its own.
RUN python -m venv --without-pip /opt/venv
COPY deploy/prune.sh requirements-api.lock /build/
RUN pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --require-hashes \
        --only-binary :all: --requirement /build/requirements-api.lock \
    && sh /build/prune.sh

FROM api-dependencies AS worker-dependencies
COPY requirements-worker.lock /build/
RUN pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --require-hashes \
        --only-binary :all: --requirement /build/requirements-worker.lock \
    && pip --python /opt/venv/bin/python install --no-cache-dir --no-deps torch==2.13.0+cpu \
        --extra-index-url https://download.pytorch.org/whl/cpu \
    && sh /build/prune.sh

FROM base AS source
COPY api /app/api
COPY bundles /app/bundles
COPY catalogue /app/catalogue
COPY cli /app/cli
COPY core /app/core
COPY local /app/local
COPY migrations /app/migrations
COPY modelkit /app/modelkit
COPY ops /app/ops
COPY starter /app/starter
COPY worker /app/worker
# Nobody may write here later, so each start would compile it anew. The starter's weights are for
# those alone who can build a bundle.
RUN python -m compileall -q --invalidation-mode unchecked-hash /app \
    && mv /app/starter/weights /weights

FROM base AS api
COPY --from=api-dependencies /opt/venv /opt/venv
COPY --from=source /app /app
USER packshot
CMD ["python", "-m", "api"]

FROM base AS worker
COPY --from=worker-dependencies /opt/venv /opt/venv
COPY --from=source /app /app
COPY --from=source /weights /app/starter/weights
USER packshot
CMD ["python", "-m", "worker"]
