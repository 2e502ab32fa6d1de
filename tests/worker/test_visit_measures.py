"""What is measured of the compared pairs of several visits, on a lesion in a block of white matter."""

from dataclasses import replace

import numpy as np
import pytest

from model.head_labels import Region
from model.ledger import Ledger, VisitMasks, make_ledger
from model.resampling import resample
from model.rules import Rules
from model.volume import Volume
from tests.fixtures.followed_visits import followed_visits
from tests.fixtures.made_people import time_point
from worker.case import TimePoint
from worker.visit_measures import measure_pairs

SHAPE = (24, 24, 24)
VOLUME_MM3 = float(np.prod(SHAPE))
FOLLOWED = followed_visits((0, 2, 3), SHAPE)


def visits(unknown: tuple[int, ...] = ()) -> list[TimePoint]:
    """Four visits, white matter everywhere; of some the regions are not known."""
    image = Volume(array=np.ones(SHAPE, np.float32), affine=FOLLOWED.prepared.grid.affine)
    known = time_point(image, np.full(SHAPE, int(Region.WHITE_MATTER), np.uint8))
    without = replace(known, brain=replace(known.brain, regions=None))
    return [without if number in unknown else known for number in range(4)]


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    mask = np.zeros(SHAPE, bool)
    mask[10:14, 10:14, 10:14] = True
    prepared = FOLLOWED.prepared
    return make_ledger(
        VisitMasks(
            masks=(mask,) * 3,
            probabilities=(mask * np.float32(0.9),) * 3,
            seen=prepared.seen,
            pairs=FOLLOWED.pairs,
            grid=prepared.grid,
        )
    )


def test_every_pair_is_measured_and_each_region_map_is_carried_once(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried = []

    def noting(volume: Volume, *args: object, **more: object) -> object:
        carried.append(volume)
        return resample(volume, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("worker.comparing.resample", noting)

    measured = measure_pairs(ledger, FOLLOWED, visits(), Rules())

    assert len(carried) == 3
    assert set(measured) == {(0, 1), (1, 2), (0, 2)}
    for one in measured.values():
        assert one.regions_known
        assert one.tissue_mm3 == (VOLUME_MM3, VOLUME_MM3)
        assert set(one.lesions) == {1}


def test_a_pair_with_a_visit_whose_regions_are_not_known_has_none(ledger: Ledger) -> None:
    measured = measure_pairs(ledger, FOLLOWED, visits(unknown=(1, 2)), Rules())

    assert {pair: one.regions_known for pair, one in measured.items()} == {(0, 1): False, (1, 2): False, (0, 2): True}
    assert measured[0, 1].tissue_mm3 is None
    assert measured[0, 2].tissue_mm3 is not None
