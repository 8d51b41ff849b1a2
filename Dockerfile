# xenci for docker-compose.yml. No container engine built it yet: try it before you trust it.
FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc pkg-config libvirt-dev git openssh-client \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/xenci
COPY . .
RUN pip install --no-cache-dir --require-hashes -r requirements/xenci.txt && pip install --no-cache-dir --no-build-isolation --no-deps -e .
RUN useradd --system --uid 900 xenci && install -d -o xenci /var/lib/xenci /srv/xenci/artifacts
USER xenci
