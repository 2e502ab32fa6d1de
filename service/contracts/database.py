"""The engine of the job store, and its migrations."""

from importlib.resources import files
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError

from service.contracts.errors import DependencyUnavailable
from service.contracts.settings import Settings

MIGRATION_LOCK = 4_713_001
"""PostgreSQL advisory lock: of several processes that start, one migrates and the others wait."""


def open_database(url: str) -> Engine:
    """An engine for SQLite (write-ahead log, foreign writers waited for) or PostgreSQL."""
    if url.startswith("sqlite"):
        engine = create_engine(url, connect_args={"timeout": 30})
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_immediate)
        return engine
    return create_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=10)


def ready_database(settings: Settings) -> Engine:
    """The job store that the settings name, with this version's tables; what commands work on.

    Raises:
        DependencyUnavailable: the database does not answer.
    """
    settings.data_folder.mkdir(parents=True, exist_ok=True)
    engine = open_database(settings.database)
    migrate(engine)
    return engine


def migrate(engine: Engine) -> None:
    """Brings the tables to this version's state; safe when several processes do it at once.

    Raises:
        DependencyUnavailable: the database does not answer.
    """
    config = Config()
    config.set_main_option("script_location", str(files("service.contracts") / "migrations"))
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as error:
        raise DependencyUnavailable("the job store does not answer") from error


def answers(engine: Engine) -> bool:
    """True when a query comes back."""
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except OperationalError:
        return False
    return True


def _configure_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's BEGIN below, not the driver's
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    """Takes the write lock at the start: a read that turns into a write would fail instead of waiting."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
