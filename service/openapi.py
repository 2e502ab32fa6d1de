"""Writes `openapi/openapi.json`: `python -m service.openapi`."""

import json
import tempfile
from pathlib import Path

from service.app import create_app
from service.contracts.queue import MemoryQueue
from service.contracts.settings import Settings

TARGET = Path(__file__).resolve().parent.parent / "openapi" / "openapi.json"


def rendered() -> str:
    """The OpenAPI document as committed: sorted, indented, ending with a line feed."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(data_folder=Path(folder), database_url="sqlite://"), queue=MemoryQueue())
    return json.dumps(app.openapi(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(rendered(), encoding="utf-8")
