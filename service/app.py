"""The REST API as one application."""

import importlib.metadata
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi_offline import FastAPIOffline

from service.contracts.api_keys import ApiKeys
from service.contracts.arrivals import ArrivalStore
from service.contracts.blobs import BlobStore
from service.contracts.database import migrate, open_database
from service.contracts.delivery_store import DeliveryStore
from service.contracts.job_store import JobStore
from service.contracts.logs import configure_logs, get_logger
from service.contracts.queue import CeleryQueue, JobQueue
from service.contracts.schemas import Problem
from service.contracts.settings import Settings
from service.contracts.site import read_site
from service.contracts.study_store import StudyStore
from service.dependencies import Parts
from service.problems import add_problem_handlers
from service.routes import arrivals, artifacts, deliveries, dicomweb, health, jobs, series, studies, visits

DESCRIPTION = """
Which multiple sclerosis lesions are new, enlarging, stable, shrinking or resolved between two brain MRI studies.

Upload a baseline and a follow-up study, submit a job, watch it, and fetch masks and report.
For research use. Not a medical device.
"""
ERRORS = {
    "4XX": {
        "model": Problem,
        "description": "refused, with a stable code",
        "content": {"application/problem+json": {}},
    },
    "5XX": {"model": Problem, "description": "failed, with a stable code", "content": {"application/problem+json": {}}},
}
REQUEST_ID = re.compile(r"[0-9A-Za-z-]{8,64}")


def create_app(settings: Settings, *, queue: JobQueue | None = None) -> FastAPI:
    """The application over the stores that the settings name; `queue` replaces the broker in tests."""
    engine = open_database(settings.database)
    parts = Parts(
        settings=settings,
        site=read_site(settings.site_file),
        engine=engine,
        jobs=JobStore(engine),
        arrivals=ArrivalStore(engine),
        deliveries=DeliveryStore(engine),
        studies=StudyStore(engine),
        keys=ApiKeys(engine),
        blobs=BlobStore(settings.data_folder),
        queue=queue or CeleryQueue(settings.broker_url),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        parts.blobs.prepare()
        parts.blobs.clean_incoming()
        migrate(engine)
        yield
        engine.dispose()

    app = FastAPIOffline(  # hospital networks reach no CDN: the pages of /docs come from a package
        redoc_url=None,
        title="msdelta",
        version=importlib.metadata.version("msdelta"),
        description=DESCRIPTION.strip(),
        lifespan=lifespan,
        responses=ERRORS,
        license_info={"name": "Apache-2.0"},
    )
    app.state.parts = parts
    app.middleware("http")(_log_request)
    add_problem_handlers(app)
    for module in (studies, series, jobs, visits, artifacts, deliveries, arrivals, dicomweb, health):
        app.include_router(module.router)
    return app


def app_from_environment() -> FastAPI:
    """What uvicorn starts: the application with settings from the environment."""
    settings = Settings()
    configure_logs(settings.log_level)
    settings.data_folder.mkdir(parents=True, exist_ok=True)
    return create_app(settings)


async def _log_request(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """One line a request: route pattern, status, time. Paths, queries and file names are not written."""
    given = request.headers.get("x-request-id", "")
    request.state.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    began = time.perf_counter()
    response = await call_next(request)
    route = request.scope.get("route")
    get_logger().info(
        "request",
        request_id=request.state.request_id,
        method=request.method,
        route=getattr(route, "path", "none"),
        status=response.status_code,
        duration_s=round(time.perf_counter() - began, 4),
    )
    response.headers["X-Request-ID"] = request.state.request_id
    return response
