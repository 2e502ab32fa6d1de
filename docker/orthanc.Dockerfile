# A small PACS beside the service: modalities or the hospital's PACS send to it by C-STORE, its script tells the
# service of every study, results come back into the study. Orthanc and its plugins are Debian's.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends orthanc orthanc-dicomweb orthanc-python \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o orthanc -g orthanc /var/lib/orthanc/db
COPY docker/orthanc/orthanc.json docker/orthanc/announce.py /etc/msdelta/
USER orthanc
VOLUME /var/lib/orthanc/db
EXPOSE 4242 8042
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=6 \
  CMD ["python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 4242), 4)"]
CMD ["sh", "-c", "MSDELTA_ORTHANC_PASSWORD=$(cat /secrets/orthanc.password) exec Orthanc /etc/msdelta/orthanc.json"]
