"""What the routes are given: stores, the queue, and the caller's key."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine

from service.contracts.api_keys import ApiKey, ApiKeys, Scope
from service.contracts.arrivals import ArrivalStore
from service.contracts.blobs import BlobStore
from service.contracts.delivery_store import DeliveryStore
from service.contracts.errors import Forbidden, Unauthorized
from service.contracts.job_store import JobStore
from service.contracts.queue import JobQueue
from service.contracts.settings import Settings
from service.contracts.site import Site
from service.contracts.study_store import StudyStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a running service."""

    settings: Settings
    site: Site
    engine: Engine
    jobs: JobStore
    arrivals: ArrivalStore
    deliveries: DeliveryStore
    studies: StudyStore
    keys: ApiKeys
    blobs: BlobStore
    queue: JobQueue


def parts_of(request: Request) -> Parts:
    """The parts that the application was made with."""
    found: Parts = request.app.state.parts
    return found


PartsOf = Annotated[Parts, Depends(parts_of)]

_bearer = HTTPBearer(auto_error=False, description="an API key made by `msdelta keys`")
_header = APIKeyHeader(name="X-API-Key", auto_error=False)


def caller(scope: Scope) -> Callable[..., ApiKey]:
    """A dependency that gives the caller's key and refuses one without the scope."""

    def check(
        parts: PartsOf,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None,
        header: Annotated[str | None, Security(_header)] = None,
    ) -> ApiKey:
        text = bearer.credentials if bearer is not None else header
        if not text:
            raise Unauthorized("expected an API key as a Bearer token or in X-API-Key")
        key = parts.keys.verify(text)
        if not key.allows(scope):
            raise Forbidden(f"the key lacks the scope {scope.value}")
        return key

    return check


Submitter = Annotated[ApiKey, Depends(caller(Scope.SUBMIT))]
Reader = Annotated[ApiKey, Depends(caller(Scope.READ))]


def may_see(key: ApiKey, owner: str) -> bool:
    """A key sees what it made; an admin's sees everything."""
    return key.id == owner or Scope.ADMIN in key.scopes
