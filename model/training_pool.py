"""Everything a sample is made of, read once and kept in one cache file per anatomy."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy import ndimage

from model.anatomy import Anatomy, label_anatomy, network_array, real_anatomy

REAL = ("patient07", "patient19")
"""Cross-sectional patients with images. The longitudinal patients are in no pool: see `model.mark_pairs`."""
LABELS_VERSION = 2
"""Of `model.anatomy.FREESURFER`: a cache of another version is not read."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingPool:
    """Anatomies, whole-brain lesion patterns (MNI grid, network axes) and single lesions."""

    anatomies: tuple[Anatomy, ...]
    patterns: tuple[Bool[NDArray[Any], "d h w"], ...]
    singles: tuple[Bool[NDArray[Any], "_ _ _"], ...]
    """Each in its bounding box."""


def check_pool(data: Path, hold_out: Sequence[str], marked_scans: Path | None = None) -> None:
    """Refuses what no pool can be made of, before any training starts.

    Raises:
        ValueError: a part of the folder is not there, a patient to leave out is not in it, no real scan is left, or
            there is no scan among the marked ones.
    """
    masks = _masks(data)
    parts = {
        "open_ms_data/cross_sectional/lesion_masks_mni/*.nii.gz": bool(masks),
        **{f"open_ms_data/cross_sectional/{n}": (data / "open_ms_data" / "cross_sectional" / n).is_dir() for n in REAL},
        "synthseg_labels/*.nii.gz": any((data / "synthseg_labels").glob("*.nii.gz")),
        "csim_ms_lesions/csim_lesions.npz": (data / "csim_ms_lesions" / "csim_lesions.npz").is_file(),
    }
    missing = [name for name, there in parts.items() if not there]
    if missing:
        raise ValueError(f"synthetic: expected {', '.join(missing)} in the folder, saw none")
    unknown = set(hold_out) - set(masks)
    if unknown:
        raise ValueError(f"hold_out: expected patients with a lesion mask, saw {len(unknown)} without")
    if set(REAL) <= set(hold_out):
        raise ValueError(f"hold_out: expected one of {', '.join(REAL)} to stay")
    if marked_scans is not None and not any(marked_scans.glob("*.npz")):
        raise ValueError("marked_scans: expected the files of model.mark_scans in the folder, saw none")


def load_pool(
    data: Path, cache: Path, *, hold_out: Sequence[str] = (), marked_scans: Path | None = None
) -> TrainingPool:
    """The pool from the data folder (`open_ms_data/`, `synthseg_labels/`, `csim_ms_lesions/`).

    Args:
        data: the folder.
        cache: where each anatomy is kept once it is read.
        hold_out: patients to leave out, their images and their lesions.
        marked_scans: folder of more real scans (`model.mark_scans`).
    """
    cache.mkdir(parents=True, exist_ok=True)
    masks = [path for name, path in _masks(data).items() if name not in hold_out]
    anatomies = [_real(data, cache, name) for name in REAL if name not in hold_out]
    anatomies += [_stored(path) for path in sorted(marked_scans.glob("*.npz"))] if marked_scans else []
    anatomies += [
        _cached(cache / path.name.replace(".nii.gz", f"-{LABELS_VERSION}.npz"), lambda path=path: label_anatomy(path))
        for path in sorted((data / "synthseg_labels").glob("*.nii.gz"))
    ]
    return TrainingPool(
        anatomies=tuple(anatomies),
        patterns=tuple(network_array(path) > 0 for path in masks),
        singles=_singles(data / "csim_ms_lesions" / "csim_lesions.npz"),
    )


def pool_patients(data: Path) -> set[str]:
    """Names of the patients whose lesions, or images, are in the folder."""
    return {*_masks(data)}


def held_out_pool(data: Path, cache: Path, patient: str) -> TrainingPool:
    """The pool of one patient alone, image and lesions: what `load_pool` leaves out of the others.

    Raises:
        ValueError: the patient has no image.
    """
    if patient not in REAL:
        raise ValueError(f"hold_out: expected one of {', '.join(REAL)}, which have images")
    cache.mkdir(parents=True, exist_ok=True)
    return TrainingPool(
        anatomies=(_real(data, cache, patient),),
        patterns=(network_array(_masks(data)[patient]) > 0,),
        singles=_singles(data / "csim_ms_lesions" / "csim_lesions.npz"),
    )


def write_anatomy(anatomy: Anatomy, path: Path) -> None:
    """As `load_pool` reads it (`.npz`)."""
    fields = {name: getattr(anatomy, name) for name in Anatomy.__slots__}
    np.savez(path, **{name: value for name, value in fields.items() if value is not None})


def _real(data: Path, cache: Path, name: str) -> Anatomy:
    folder = data / "open_ms_data" / "cross_sectional" / name
    return _cached(cache / f"{name}.npz", lambda: real_anatomy(folder, _masks(data)[name]))


def _masks(data: Path) -> dict[str, Path]:
    """Lesion masks by the name of their patient."""
    folder = data / "open_ms_data" / "cross_sectional" / "lesion_masks_mni"
    return {path.name.removesuffix(".nii.gz"): path for path in sorted(folder.glob("*.nii.gz"))}


def _singles(path: Path, *, largest: int = 40) -> tuple[NDArray[np.bool_], ...]:
    """Connected pieces of the packed masks, of 3 voxels to `largest` across; what is longer is a confluent rim."""
    packed = np.load(path)
    offsets, boxes, bits = packed["offsets"], packed["boxes"], packed["bits"]
    shapes = []
    for n, box in enumerate(boxes):
        size = box[3:] - box[:3]
        flat = np.unpackbits(bits[offsets[n] : offsets[n + 1]])[: int(np.prod(size))]
        labelled, _ = ndimage.label(flat.reshape(size).transpose(2, 1, 0), np.ones((3, 3, 3)))
        for k, found in enumerate(ndimage.find_objects(labelled), start=1):
            piece = labelled[found] == k
            if piece.sum() >= 3 and max(piece.shape) <= largest:
                shapes.append(piece)
    return tuple(shapes)


def _cached(path: Path, make: Any) -> Anatomy:
    if not path.exists():
        write_anatomy(make(), path)
    return _stored(path)


def _stored(path: Path) -> Anatomy:
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=32)
def _read(path: Path, _changed_ns: int) -> Anatomy:
    """Read once: two pools of a process share it, and what is kept of it (`model.patch_anatomy.canvas`)."""
    stored = np.load(path)
    values: dict[str, Any] = {name: stored.get(name) for name in Anatomy.__slots__}
    return Anatomy(**{**values, "name": str(values["name"])})
