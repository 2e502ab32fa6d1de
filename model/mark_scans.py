"""More real heads to paint into: scans that no reader marked, marked by weights (self-training).

`python -m model.mark_scans WEIGHTS --data DATA --out FOLDER`, then `msdelta train ... --marked-scans FOLDER`.

Two readings of each scan, beside itself and beside a simulated rescan, decide what becomes of each suspicion:

    sure in both readings              a lesion of the scan, if T1 shows it, too, and it is not of the midline
    else, in or near white matter      healed: neither a lesion nor an example of none
    else (cortex, dura, vessels)       left as it is: an example of what is no lesion

The fornix, the septum and the bands along the horns are bright on FLAIR in healthy people, and not dark on T1.
"""

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from model.anatomy import SDF_STEPS_PER_MM, Anatomy, Tissue, stripped_anatomy
from model.anatomy_network import SHIPPED, region_map
from model.calling import Probability
from model.checkpoint import LoadedModel, load
from model.grid import network_grid
from model.head_labels import Region
from model.held_out_pairs import real_pair
from model.lesions import COUNTED_MM3
from model.patch_anatomy import canvas
from model.placement import MID_SAGITTAL
from model.real_pairs import read_real_visit
from model.sliding_window import lesion_probabilities, window_of
from model.training_pool import write_anatomy
from model.volume import Volume

log = logging.getLogger("model.mark_scans")

UNMARKED = (("patient04", 1), ("patient20", 2))
"""Longitudinal patients of whom one visit alone has images, and that visit: no pair, so nothing is scored on them."""
SUSPICION = 0.1
"""Probability from which a voxel may be lesion."""
NEAR_VENTRICLE_MM = 4.0
"""Suspicions up to here are of white matter, whatever T1 says of the voxel: plexus and ependyma lie beside it."""
BRIGHTEST_T1 = 0.97
"""A lesion is at most this bright on T1, as a part of the white matter around it."""
MIDLINE_MM = 8.0
"""A lesion whose centre is nearer to the midline is not believed."""


def marked(anatomy: Anatomy, first: Probability, second: Probability, *, voxel: float, lesion: float) -> Anatomy:
    """The scan with the lesions that both readings are sure of, and without what they only suspect.

    Args:
        anatomy: a real scan; its own lesions are not looked at.
        first: lesion probability of one reading.
        second: of the other.
        voxel: probability from which a voxel is lesion.
        lesion: what the surest voxel of a lesion must reach in both readings.

    Raises:
        ValueError: the anatomy has no images.
    """
    either, both = np.maximum(first, second), np.minimum(first, second)
    labels, count = ndimage.label(either >= SUSPICION, np.ones((3, 3, 3)))
    index = np.arange(count + 1)
    surest = np.asarray(ndimage.maximum(both, labels, index))
    core = (first + second) / 2 >= voxel
    size = np.bincount(labels[core].ravel(), minlength=count + 1)
    sure = (surest >= lesion) & (size >= COUNTED_MM3) & _lesion_like(anatomy, labels, count)
    white = ndimage.binary_dilation(anatomy.tissue == Tissue.WHITE) | (
        anatomy.ventricle_distance <= NEAR_VENTRICLE_MM * SDF_STEPS_PER_MM
    )
    in_white = np.asarray(ndimage.mean(white, labels, index)) > 0.5
    sure[0] = in_white[0] = False
    suspected = replace(anatomy, lesions=np.where((in_white & ~sure)[labels], 1, 0).astype(np.int16))
    healed = canvas(suspected).healed
    lesions, _ = ndimage.label(sure[labels] & core, np.ones((3, 3, 3)))
    tissue = np.where(lesions > 0, np.uint8(Tissue.WHITE), anatomy.tissue)
    return replace(anatomy, t1=healed[0], flair=healed[1], lesions=lesions.astype(np.int16), tissue=tissue)


def _lesion_like(anatomy: Anatomy, labels: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """Of each suspicion, and of the background."""
    index = np.arange(count + 1)
    relative = np.asarray(anatomy.t1) / canvas(anatomy).white[0]
    across = np.arange(labels.shape[2]) * anatomy.mni_scale[2] + anatomy.mni_shift[2]
    centre = np.asarray(ndimage.mean(np.broadcast_to(across, labels.shape), labels, index))
    return (np.asarray(ndimage.mean(relative, labels, index)) <= BRIGHTEST_T1) & (
        np.abs(centre - MID_SAGITTAL) > MIDLINE_MM
    )


def readings(model: LoadedModel, anatomy: Anatomy) -> tuple[Probability, Probability]:
    """Lesion probability of a scan, cut to its brain, beside itself and beside a simulated rescan."""
    pair = real_pair(anatomy)
    window = window_of(model, mirroring=True)
    first, second = (
        lesion_probabilities(model.network, prior, pair.current, window)[1] for prior in (pair.current, pair.prior)
    )
    return first, second


def read_unmarked(data: Path, name: str, study: int, regions: LoadedModel) -> Anatomy:
    """One visit of a longitudinal patient, without lesions; the anatomy network says where the ventricles are."""
    (t1, flair), brain = read_real_visit(data / "open_ms_data" / "longitudinal" / name, study)
    grid = network_grid(t1.shape)
    near = region_map(Volume(array=t1, affine=grid.affine), model=regions).regions(grid) == Region.VENTRICLES
    return stripped_anatomy(name, t1, flair, brain=brain, ventricles=ndimage.binary_dilation(near, iterations=2))


def main() -> None:
    """Writes each scan that no reader marked as an anatomy of the synthetic pool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--regions", type=Path, default=SHIPPED)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    model = load(args.weights)
    args.out.mkdir(parents=True, exist_ok=True)
    regions = load(args.regions)
    for name, study in UNMARKED:
        anatomy = read_unmarked(args.data, name, study, regions)
        maps = readings(model, anatomy)
        scan = marked(anatomy, *maps, voxel=model.card.threshold, lesion=model.card.lesion_threshold)
        write_anatomy(scan, args.out / f"{name}.npz")
        log.info("%s: %s lesions", name, 0 if scan.lesions is None else int(scan.lesions.max()))


if __name__ == "__main__":
    main()
