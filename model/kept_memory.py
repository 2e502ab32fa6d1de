"""Freed memory kept for the next tensor.

glibc hands a large freed block back to the system and asks for it again at the next tensor, page by page: with the
compact network half of the processor's time went into that.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # names of options in glibc's malloc.h
USUAL = {TRIM_THRESHOLD: 128 * 1024, MMAP_MAX: 65536}
"""glibc's own values (mallopt(3))."""


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Inside, the process keeps what it frees; at the end it gives that back. Nothing happens without glibc."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        yield
        return
    for option, value in {TRIM_THRESHOLD: -1, MMAP_MAX: 0}.items():  # never trimmed; no block mapped by itself
        libc.mallopt(option, value)
    try:
        yield
    finally:
        for option, value in USUAL.items():
            libc.mallopt(option, value)
        libc.malloc_trim(0)
