# One image for all roles: `docker run IMAGE worker`, `chores`, `web`, or `all`, which is the default.
# For the conventional commands: `--entrypoint flask IMAGE run`, `--entrypoint dramatiq IMAGE tasks:broker`.
ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

# Wheels only, by their hashes, wherever pip gets them from.  This layer changes with the lock alone.
COPY requirements.lock requirements-dev.lock ./
RUN python -m venv --without-pip /opt/swpt_accounts \
    && pip --python /opt/swpt_accounts/bin/python install \
        --no-deps --only-binary=:all: --require-hashes --requirement requirements.lock

# The build backend, by its hashes as well; it stays behind in this stage.
RUN awk '/^[^ ]/ { wanted = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } wanted' \
        requirements-dev.lock > requirements-build.lock \
    && pip install --no-deps --only-binary=:all: --require-hashes --requirement requirements-build.lock

COPY pyproject.toml hatch_build.py README.md LICENSE protocol.rst ./
COPY migrations migrations
COPY swpt_accounts swpt_accounts
RUN pip wheel --no-deps --no-index --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/swpt_accounts/bin/python install --no-deps --no-index dist/*.whl \
    && pip --python /opt/swpt_accounts/bin/python check


FROM python:${PYTHON_VERSION}-slim
LABEL org.opencontainers.image.title="swpt_accounts" org.opencontainers.image.licenses="MIT"

# A number, so that an orchestrator can see that it is not root.
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin swpt
COPY --from=build /opt/swpt_accounts /opt/swpt_accounts
WORKDIR /srv/swpt_accounts
# `flask run` and `dramatiq tasks:broker` look for these in the working directory.
COPY wsgi.py tasks.py ./

ENV PATH=/opt/swpt_accounts/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# For the role `all`; who runs another role asks for that one, as docker-compose.yml does.
HEALTHCHECK --interval=60s --timeout=15s --start-period=60s --retries=3 \
    CMD ["swpt-accounts", "healthcheck", "--role", "all"]
ENTRYPOINT ["swpt-accounts"]
CMD ["all"]
