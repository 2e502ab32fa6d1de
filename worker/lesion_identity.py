"""A lesion keeps its tracking UID from one comparison to the next.

The follow-up of an earlier result is the baseline of this one. Lesions that both found in it are matched by the voxels
that they share on that scan's own grid, and a row takes over the UID of the lesion that it shares most with:

    earlier result      visit 1 --> visit 2        lesion 4, UID A
                                       |           same voxels of visit 2
    this result                     visit 2 --> visit 3        row 7, UID A

A UID goes to one row only, and a row has one: after a split the larger part keeps it, after a merger the largest
lesion's stays. A row without a match is new to us and gets a UID of its own.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.volume import Volume
from service.contracts.blobs import COMMIT_FILE
from service.contracts.logs import get_logger
from service.contracts.report import Report
from worker.nifti_reader import read_nifti

ROWS_OF_FOLLOW_UP = "follow_up_lesion_ids.nii.gz"
"""The artifact that holds the row of each lesion voxel on the follow-up FLAIR's own grid."""
GRID_TOLERANCE_MM = 0.01
"""Between the affines of one scan that was read twice."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EarlierLesions:
    """What an earlier result found in its follow-up."""

    rows: Volume
    """int, on the FLAIR's own grid: the row of the earlier report at each lesion voxel."""
    uids: dict[int, str]
    """Tracking UID of each row."""


def read_earlier(folder: Path) -> EarlierLesions | None:
    """The lesions of an earlier result; None where it holds none that can be followed (a series, an older version)."""
    report, rows = folder / COMMIT_FILE, folder / ROWS_OF_FOLLOW_UP
    if not report.exists() or not rows.exists():
        return None
    read = Report.model_validate_json(report.read_text(encoding="utf-8"))
    uids = {row.id: row.tracking_uid for row in read.lesions if row.tracking_uid is not None}
    return EarlierLesions(rows=read_nifti(rows), uids=uids)


def known_uids(earlier: EarlierLesions | None, baseline_rows: Volume | None) -> dict[int, str]:
    """The UID of each row of this report whose lesion the earlier result had found, by the row.

    Args:
        earlier: of the earlier result, whose follow-up is this baseline.
        baseline_rows: int, on the baseline FLAIR's own grid: the row of this report at each lesion voxel.
    """
    if earlier is None or baseline_rows is None:
        return {}
    if not _same_grid(earlier.rows, baseline_rows):
        get_logger().warning("the earlier result is of another scan than the baseline: lesions get new tracking UIDs")
        return {}
    before, now = earlier.rows.array.astype(np.int64), baseline_rows.array.astype(np.int64)
    both = (before > 0) & (now > 0)
    pairs, shared = np.unique(np.stack([now[both], before[both]]), axis=1, return_counts=True)
    found: dict[int, str] = {}
    for one in np.lexsort((pairs[1], pairs[0], -shared)):
        row, uid = int(pairs[0, one]), earlier.uids.get(int(pairs[1, one]))
        if uid is not None and row not in found and uid not in found.values():
            found[row] = uid
    return found


def _same_grid(one: Volume, other: Volume) -> bool:
    return one.array.shape == other.array.shape and bool(
        np.allclose(one.affine, other.affine, rtol=0, atol=GRID_TOLERANCE_MM)
    )
