"""Is the process alive, and can it take work."""

from fastapi import APIRouter, Response

from service.contracts.database import answers
from service.contracts.errors import DependencyUnavailable
from service.contracts.schemas import Dependency, Readiness
from service.dependencies import Parts, PartsOf

router = APIRouter(tags=["health"])


@router.get("/livez")
def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"model": Readiness}})
def ready(response: Response, parts: PartsOf) -> Readiness:
    """Each dependency and whether it answers; 503 when one does not."""
    states = (
        Dependency(name="job_store", ok=answers(parts.engine)),
        Dependency(name="broker", ok=parts.queue.answers()),
        Dependency(name="blobs", ok=_blobs_have_room(parts)),
    )
    readiness = Readiness(ready=all(state.ok for state in states), dependencies=states)
    response.status_code = 200 if readiness.ready else 503
    return readiness


def _blobs_have_room(parts: Parts) -> bool:
    try:
        return parts.blobs.free_bytes() >= parts.settings.least_free_bytes
    except DependencyUnavailable:
        return False
