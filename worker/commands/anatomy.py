"""`msdelta anatomy`: brain mask and regions of one image of any contrast."""

import csv
from pathlib import Path

from rich.console import Console
from rich.table import Table

from model.anatomy_network import region_map
from model.grid import Grid
from model.head_labels import Region
from service.contracts.errors import BrainNotFound
from worker.brain_mask import SMALLEST_BRAIN_ML
from worker.nifti_reader import read_nifti
from worker.nifti_writer import write_nifti
from worker.pipeline_tools import chosen_device, network_masker


def segment_anatomy(image: Path, out: Path, *, device: str) -> None:
    """Writes `brain.nii.gz`, `regions.nii.gz` and `regions.csv` (ml), the masks on the image's own grid.

    Raises:
        MsDeltaError: the image cannot be read, or shows no brain.
    """
    volume = read_nifti(image)
    masker = network_masker(chosen_device(device))
    found = region_map(volume, model=masker.model, bf16=masker.bf16)
    grid = Grid.of(volume)
    brain = found.brain(grid, csf=masker.csf)
    brain_ml = float(brain.sum()) * volume.voxel_volume_mm3 / 1000.0
    if brain_ml < SMALLEST_BRAIN_ML:
        raise BrainNotFound(f"a brain of {brain_ml:.0f} ml was found, expected at least {SMALLEST_BRAIN_ML:.0f} ml")
    out.mkdir(parents=True, exist_ok=True)
    write_nifti(volume.like(brain), out / "brain.nii.gz")
    write_nifti(volume.like(found.regions(grid)), out / "regions.nii.gz")
    _report(found.volumes_ml(), out)


def _report(volumes_ml: dict[str, float], out: Path) -> None:
    table = Table(title="Regions")
    for name in ("label", "region", "ml"):
        table.add_column(name, justify="right" if name != "region" else "left")
    with (out / "regions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("label", "region", "volume_ml"))
        for name, ml in volumes_ml.items():
            label = str(int(Region[name.upper()]))
            writer.writerow((label, name, f"{ml:.2f}"))
            table.add_row(label, name, f"{ml:.1f}")
    Console().print(table)
