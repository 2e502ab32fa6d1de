"""Shape checks under pytest, and the real data folder."""

import os
from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

os.environ.setdefault("OMP_NUM_THREADS", "1")
"""For the commands that tests start: test files run side by side."""

_hook = install_import_hook("model", "beartype.beartype")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder that holds `data/` and `parity/`; a test that needs it is skipped, loudly, without it."""
    folder = Path(os.environ.get("MSDELTA_SHARED_DATA", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"NO REAL DATA: set MSDELTA_SHARED_DATA to the shared folder (looked at {folder})")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> None:
    """Two OpenMP threads on two busy cores wait for each other: 40 times slower was seen."""
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that no core waits for one of them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow)
