"""How much memory a large upload costs the API, and how fast it goes.

    python benchmarks/upload.py [--gib 2]

Starts the real API (uvicorn) on a temporary data folder, streams one NIfTI pair of the given size, and samples the
process's resident memory meanwhile.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from service.contracts.api_keys import ApiKeys, Scope
from service.contracts.database import migrate, open_database
from service.contracts.settings import Settings

CHUNK = os.urandom(1 << 20)


def body(size: int) -> Iterator[bytes]:
    """A multipart body with two NIfTI-looking files of half the size each."""
    header = b"\x5c\x01\x00\x00" + bytes(340) + b"n+1\0" + bytes(4)
    for name in ("t1", "flair"):
        yield f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="x.nii"\r\n\r\n'.encode()
        yield header
        for _ in range(size // 2 // len(CHUNK)):
            yield CHUNK
        yield b"\r\n"
    yield b"--b--\r\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=2.0)
    size = int(parser.parse_args().gib * 2**30)
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        settings = Settings(data_folder=Path(folder))
        engine = open_database(settings.database)
        migrate(engine)
        key = ApiKeys(engine).create("benchmark", [Scope.SUBMIT])
        environment = {**os.environ, "MSDELTA_DATA_FOLDER": folder}
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "service.app:app_from_environment",
            "--factory",
            "--port",
            str(port),
            "--no-access-log",
            "--log-level",
            "warning",
        ]
        api = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        try:
            measure(f"http://127.0.0.1:{port}", key, size, psutil.Process(api.pid))
        finally:
            api.terminate()
            api.wait()


def measure(url: str, key: str, size: int, process: psutil.Process) -> None:
    for _ in range(200):
        try:
            httpx.get(f"{url}/livez")
            break
        except httpx.HTTPError:
            time.sleep(0.1)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "multipart/form-data; boundary=b"}
    httpx.post(f"{url}/v1/studies", headers=headers, content=body(2 << 20), timeout=60)  # what a first request loads
    before, peak, done = process.memory_info().rss, [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    answer = httpx.post(f"{url}/v1/studies", headers=headers, content=body(size), timeout=3600)
    seconds = time.perf_counter() - began
    done.set()
    watcher.join()
    print(
        f"upload {size / 2**30:.1f} GiB: HTTP {answer.status_code}, {seconds:.1f} s, {size / 2**20 / seconds:.0f} MiB/s"
    )
    print(
        f"API memory: before {before / 2**20:.0f} MiB, peak {peak[0] / 2**20:.0f} MiB, "
        f"growth {(peak[0] - before) / 2**20:.0f} MiB (aim: under 100 MiB)"
    )


if __name__ == "__main__":
    main()
