"""Real databases for the contract tests: SQLite files, and a PostgreSQL cluster that lives as long as the run.

And the REST API on SQLite with a key for it.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from service.contracts.api_keys import Scope
from service.contracts.database import migrate, open_database
from tests.fixtures.api_service import Service
from tests.fixtures.ports import free_port


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a fresh PostgreSQL server, run as an ordinary user."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip("NO POSTGRESQL: install the Debian package postgresql")
    tools, port = found[-1], free_port()
    folder = Path(tempfile.mkdtemp(prefix="msdelta-postgres-"))
    as_user = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    data = folder / "data"
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*as_user, tools / "initdb", "-D", data, "-U", "msdelta", "-A", "trust", "-N"], **quiet)
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    subprocess.run(
        [*as_user, tools / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"], **quiet
    )
    try:
        yield f"postgresql+psycopg://msdelta@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*as_user, tools / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **quiet)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A migrated, empty job store on each database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    else:
        url = request.getfixturevalue("postgres_url")
    made = open_database(url)
    if request.param == "postgresql":
        with made.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    migrate(made)
    yield made
    made.dispose()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path, max_unpacked_bytes=100 << 20, max_files=50)
    with made.client:
        yield made
    made.engine.dispose()


@pytest.fixture
def key(service: Service) -> dict[str, str]:
    return service.key(Scope.SUBMIT, Scope.READ)
