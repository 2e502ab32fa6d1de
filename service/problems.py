"""Every error as application/problem+json (RFC 9457) with a stable code."""

import uuid

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from service.contracts.errors import (
    DependencyUnavailable,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    MsDeltaError,
    NotFound,
    RequestRefused,
)
from service.contracts.logs import describe, get_logger
from service.contracts.schemas import Problem

MEDIA_TYPE = "application/problem+json"


def problem_response(request: Request, error: MsDeltaError) -> JSONResponse:
    """The error as the caller sees it."""
    problem = Problem(
        type=f"urn:msdelta:error:{error.code}",
        title=error.title,
        status=error.status,
        detail=error.message,
        code=error.code,
        retryable=error.retryable,
        request_id=request_id(request),
    )
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    return JSONResponse(problem.model_dump(), error.status, headers, MEDIA_TYPE)


def request_id(request: Request) -> str:
    """The id that log lines and answers of this request share."""
    found: str = getattr(request.state, "request_id", "") or uuid.uuid4().hex
    return found


def add_problem_handlers(app: FastAPI) -> None:
    """Registers a handler for each way a request can fail."""
    app.add_exception_handler(MsDeltaError, _named)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OperationalError, _database)
    app.add_exception_handler(Exception, _unexpected)


async def _named(request: Request, error: Exception) -> JSONResponse:
    named = error if isinstance(error, MsDeltaError) else InternalError("an unexpected error")
    return problem_response(request, named)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Where the request departs from the schema; what was sent is not repeated."""
    places = []
    if isinstance(error, RequestValidationError):
        places = [".".join(str(part) for part in one["loc"]) + ": " + str(one["type"]) for one in error.errors()]
    return problem_response(request, InvalidRequest("the request does not follow the schema: " + "; ".join(places)))


async def _http(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:
        return problem_response(request, NotFound("there is nothing at this path"))
    if status == 405:
        return problem_response(request, MethodNotAllowed("this path does not offer the method"))
    return problem_response(request, RequestRefused("the request was refused"))


async def _database(request: Request, error: Exception) -> JSONResponse:
    get_logger().error("database does not answer", request_id=request_id(request), **describe(error))
    return problem_response(request, DependencyUnavailable("the job store does not answer"))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    get_logger().error("unexpected error", request_id=request_id(request), **describe(error))
    return problem_response(request, InternalError("an internal error; the log holds it under this request id"))
