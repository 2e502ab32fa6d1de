# The worker. On Linux x86-64 the default package index gives torch with CUDA: the GPU image is
# this file as it stands, and runs on the CPU as well. A small CPU-only image comes from
#   --build-arg PIP_EXTRA_INDEX_URL=<the CPU wheel index of PyTorch>
FROM python:3.11-slim-bookworm

ARG PIP_EXTRA_INDEX_URL=""
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/msdelta/bin:$PATH
RUN useradd --uid 10001 --create-home msdelta && install -d -o msdelta /data
WORKDIR /src
COPY pyproject.toml constraints.txt README.md ./
# The heavy libraries change seldom: a layer of their own, so that a code change rebuilds in seconds.
RUN mkdir -p service worker model && touch service/__init__.py worker/__init__.py model/__init__.py \
 && python3 -m venv /opt/msdelta \
 && PIP_EXTRA_INDEX_URL="$PIP_EXTRA_INDEX_URL" \
    pip install --no-cache-dir --disable-pip-version-check -c constraints.txt ".[worker]"
COPY service ./service
COPY worker ./worker
COPY model ./model
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps --force-reinstall . && rm -rf /src
WORKDIR /home/msdelta
USER msdelta
VOLUME /data
STOPSIGNAL SIGTERM
CMD ["msdelta", "worker"]
