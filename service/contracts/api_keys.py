"""API keys: random, stored as a hash, limited to scopes.

msd_<id>_<secret>     id: 12 hex digits, in the table; secret: 43 characters, only its SHA-256 is kept
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import Engine, select, update

from service.contracts.errors import Unauthorized
from service.contracts.tables import api_keys


class Scope(StrEnum):
    """What a key allows; `admin` allows everything, and sees every owner's jobs."""

    SUBMIT = "submit"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key without its secret."""

    id: str
    name: str
    scopes: frozenset[Scope]
    created: datetime
    revoked: datetime | None

    def allows(self, scope: Scope) -> bool:
        """True when the key has the scope or is an admin's."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


class ApiKeys:
    """The keys of an installation. The secret has 256 random bits, so a plain hash resists guessing."""

    def __init__(self, engine: Engine, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._now = now

    def create(self, name: str, scopes: Iterable[Scope]) -> str:
        """A new key; its text is given once and kept nowhere."""
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        with self._engine.begin() as connection:
            connection.execute(
                api_keys.insert().values(
                    id=key_id,
                    name=name[:64],
                    secret_sha256=_digest(secret),
                    scopes=" ".join(sorted(scope.value for scope in scopes)),
                    created=self._now(),
                )
            )
        return f"msd_{key_id}_{secret}"

    def verify(self, text: str) -> ApiKey:
        """The key that a caller shows.

        Raises:
            Unauthorized: no such key, or revoked.
        """
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        with self._engine.connect() as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).first()
        stored = _digest("") if row is None else str(row.secret_sha256)
        same = hmac.compare_digest(stored, _digest(secret))
        if prefix != "msd" or row is None or not same or row.revoked is not None:
            raise Unauthorized("expected a valid API key as a Bearer token or in X-API-Key")
        return _key(row)

    def all(self) -> list[ApiKey]:
        """Every key, the oldest first."""
        with self._engine.connect() as connection:
            return [_key(row) for row in connection.execute(select(api_keys).order_by(api_keys.c.created))]

    def revoke(self, key_id: str) -> bool:
        """Ends a key; False when there is none of this id."""
        with self._engine.begin() as connection:
            changed = connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(revoked=self._now()))
        return changed.rowcount == 1


def _key(row: object) -> ApiKey:
    scopes = frozenset(Scope(value) for value in str(row.scopes).split())  # type: ignore[attr-defined]
    names = ("id", "name", "created", "revoked")
    return ApiKey(scopes=scopes, **{name: getattr(row, name) for name in names})


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
