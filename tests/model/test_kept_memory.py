"""Memory that is freed and asked for again."""

import ctypes

import psutil
import pytest
import torch

from model.kept_memory import freed_memory_kept

TENSOR_BYTES = 64 * 2**20


def make_and_free_tensors() -> None:
    for _ in range(3):
        torch.ones(TENSOR_BYTES, dtype=torch.uint8)


def resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="without glibc nothing is kept")
def test_freed_memory_is_kept_inside_and_given_back_after() -> None:
    make_and_free_tensors()
    before = resident_bytes()
    with freed_memory_kept():
        make_and_free_tensors()
        kept = resident_bytes() - before
    after = resident_bytes() - before

    assert kept > TENSOR_BYTES / 2
    assert after < TENSOR_BYTES / 2


def test_an_error_inside_passes_through() -> None:
    with pytest.raises(ValueError, match="cancelled"), freed_memory_kept():
        raise ValueError("cancelled")
