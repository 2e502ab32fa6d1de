from pathlib import Path

import numpy as np

from model.lesion_fates import Fate
from model.synthesis_page import draw_page, fates
from tests.fixtures.round_heads import round_heads


def test_lesions_are_told_apart_by_their_volumes_at_both_scans():
    prior, current = np.zeros((2, 12, 40, 12), bool)
    extents = {
        Fate.UNCHANGED: (4, 4),
        Fate.NEW: (0, 4),
        Fate.RESOLVED: (4, 0),
        Fate.GROWN: (2, 4),
        Fate.SHRUNK: (4, 2),
    }
    for n, (before, now) in enumerate(extents.values()):
        prior[2 : 2 + before, 8 * n : 8 * n + 4, 2:6] = True
        current[2 : 2 + now, 8 * n : 8 * n + 4, 2:6] = True
    found = fates(prior, current)
    for n, fate in enumerate(extents):
        expected = np.zeros_like(prior)
        expected[2:6, 8 * n : 8 * n + 4, 2:6] = True
        assert np.array_equal(found[fate], expected)


def test_the_page_is_a_picture(tmp_path: Path):
    draw_page(round_heads(), [1, 2], tmp_path / "page.png")
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "page.png").stat().st_size > 20_000
