"""Memory that is freed and asked for again."""

import ctypes
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

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


def grown_inside_and_after() -> tuple[int, int]:
    """Bytes that the process holds more than before: while freed memory is kept, and then."""
    make_and_free_tensors()
    before = resident_bytes()
    with freed_memory_kept():
        make_and_free_tensors()
        kept = resident_bytes() - before
    return kept, resident_bytes() - before


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="without glibc nothing is kept")
def test_freed_memory_is_kept_inside_and_given_back_after() -> None:
    # a process of its own: the heap of one that ran other tests has room for the tensors and need not grow
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        kept, after = process.submit(grown_inside_and_after).result()

    assert kept > TENSOR_BYTES / 2
    assert after < TENSOR_BYTES / 2


def test_an_error_inside_passes_through() -> None:
    with pytest.raises(ValueError, match="cancelled"), freed_memory_kept():
        raise ValueError("cancelled")
