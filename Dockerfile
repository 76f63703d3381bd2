# syntax=docker/dockerfile:1

ARG PYTHON=3.13
# By version: where this was written no digest could be looked up. Better: python@sha256:…
ARG BASE=python:${PYTHON}-slim

FROM ${BASE} AS build

# Faust comes as source on arm64. The compiler stays in this stage.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*

RUN python -m venv --without-pip /opt/mparticle-streams
WORKDIR /src
COPY . .

# EXTRAS=msk-iam, gcp or azure adds the login of a cloud's own Kafka, EXTRAS=sandbox the simulated
# outside world; a worker in production needs none else.
ARG EXTRAS=
# COMPILE=1 has the router's mapping as machine code (setup.py): three quarters of the CPU a message.
# Its types are compiled in, so it is built beside what it is made with, and not in isolation.
ARG COMPILE=
RUN --mount=type=cache,target=/root/.cache/pip \
    if [ "${COMPILE}" = 1 ]; then \
        python -m venv /opt/compiler \
        && /opt/compiler/bin/pip install --constraint constraints.txt . mypy "$(sed -n \
            's/^requires = \["\(setuptools==.*\)"\]$/\1/p' pyproject.toml)" \
        && MPARTICLE_STREAMS_COMPILE=1 /opt/compiler/bin/pip wheel --no-deps \
            --no-build-isolation --wheel-dir /wheels .; \
    fi
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/mparticle-streams install --constraint constraints.txt \
        "$(ls /wheels/*.whl 2>/dev/null || echo .)${EXTRAS:+[${EXTRAS}]}"


FROM ${BASE}

RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin streams
COPY --from=build /opt/mparticle-streams /opt/mparticle-streams
# Unbuffered, so that the last lines before a crash are in the container's log. Nothing is written
# beside the code: the file system may be read-only.
ENV PATH=/opt/mparticle-streams/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

# Its number and not its name: only then can Kubernetes tell that it is not root.
USER 10001
# The receiver's posts, and the pages of receiver, router, sailthru and ab-tasty.
EXPOSE 8080 6065 6066 6067 6068
ENTRYPOINT ["mparticle-streams"]
