# The API. Light by design: no torch, no numerics beyond what header reading needs.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/msdelta/bin:$PATH
RUN useradd --uid 10001 --create-home msdelta && install -d -o msdelta /data
WORKDIR /src
COPY pyproject.toml constraints.txt README.md ./
COPY service ./service
COPY worker ./worker
COPY model ./model
RUN python3 -m venv /opt/msdelta \
 && pip install --no-cache-dir --disable-pip-version-check -c constraints.txt . \
 && rm -rf /src
WORKDIR /home/msdelta
USER msdelta
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=6 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/livez', timeout=4)"]
CMD ["msdelta", "api", "--host", "0.0.0.0", "--port", "8000"]
