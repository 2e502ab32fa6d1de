"""The REST API as a whole: errors of the framework, OpenAPI, documentation, imports."""

import json
import re
import subprocess
import sys

import pytest
from openapi_spec_validator import validate

from service.openapi import TARGET, rendered
from tests.fixtures.api_service import Service


@pytest.mark.parametrize(
    ("path", "method", "code"), [("/nothing", "GET", "not_found"), ("/livez", "PUT", "method_not_allowed")]
)
def test_errors_of_the_framework_are_problems_too(service: Service, path: str, method: str, code: str) -> None:
    answer = service.client.request(method, path)

    assert answer.json()["code"] == code
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_the_committed_openapi_is_the_generated_one() -> None:
    assert TARGET.read_text(encoding="utf-8") == rendered()


def test_the_openapi_document_is_valid_and_holds_the_report() -> None:
    document = json.loads(TARGET.read_text(encoding="utf-8"))

    validate(document)
    assert document["openapi"].startswith("3.1")
    assert {"comparable", "reasons", "counts", "volumes_ml", "lesions"} <= set(
        document["components"]["schemas"]["Report"]["properties"]
    )


def test_the_interactive_docs_need_no_other_host(service: Service) -> None:
    page = service.client.get("/docs").text

    fetched = re.findall(r"(?:src|href)=.([^'\"> ]+)", page)
    assert len(fetched) >= 2
    assert [url for url in fetched if not url.startswith("/")] == []
    assert {service.client.get(url).status_code for url in fetched} == {200}


def test_the_service_does_not_load_numerics() -> None:
    code = "import sys, service.app; print([m for m in ('torch', 'SimpleITK', 'scipy', 'nibabel') if m in sys.modules])"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded.strip() == "[]"
