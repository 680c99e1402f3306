# The image of Canary: the controller and canaryctl on a distroless Python, without shell or package manager.
#
#   docker build --build-arg RUNTIME_IMAGE=… --tag registry.example/canary:0.1.0 .
#
# RUNTIME_IMAGE has no default: name a distroless image with Python, best by digest, from where you take such images.
# BUILD_IMAGE must have the same minor version of Python and a C library that is not newer (docs/image.md).
ARG BUILD_IMAGE=python:3.13-slim-trixie
ARG RUNTIME_IMAGE

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY requirements/core.lock requirements/core.lock
# Every file of every dependency is known by its hash; nothing is built here, so nothing else can be fetched.
RUN python -m pip install --no-cache-dir --disable-pip-version-check --no-compile --only-binary=:all: \
    --require-hashes --requirement requirements/core.lock --target /opt/canary
COPY image/__main__.py /opt/canary/__main__.py
COPY canary /opt/canary/canary
# Out goes what nothing here imports: pip's scripts, and the asyncio twin of the Kubernetes client, 68 MB.
# Bytecode by hash, never checked: the root file system is read-only, and times of files do not survive every copy.
RUN rm -rf /opt/canary/bin /opt/canary/kubernetes/aio && \
    python -m compileall -q --invalidation-mode unchecked-hash /opt/canary

FROM ${RUNTIME_IMAGE}
ARG RUNTIME_IMAGE
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="canary" \
      org.opencontainers.image.description="Progressive delivery for Kubernetes and Istio" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${RUNTIME_IMAGE}"
COPY --from=build --chown=0:0 /opt/canary /opt/canary
COPY LICENSE /opt/canary/LICENSE
# An arbitrary user has no home; this one is the only directory that can be written to.
ENV HOME=/tmp
WORKDIR /tmp
# A number, because only that lets the kubelet see that it is not root.
USER 65532:65532
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/python3", "-I", "/opt/canary"]
CMD ["controller"]
