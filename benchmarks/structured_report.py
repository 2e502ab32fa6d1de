"""CPU seconds for the structured report of two studies of many slices.

    PYTHONPATH=. python benchmarks/structured_report.py

The report and the headers are those of the tests, which only the path leads to.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from model.volume import Volume
from tests.fixtures.measured_report import measured_report
from tests.fixtures.small_studies import FLAIR_HEADER
from worker.dicom_index import index_folder
from worker.dicom_reader import read_headers, read_stack
from worker.dicom_writer import write_mr_series
from worker.reports.dicom_seg import LesionImages, TimePointName, write_seg
from worker.reports.dicom_sr import Findings, write_sr


def findings(folder: Path, name: TimePointName, slices: int) -> Findings:
    """A series of small slices with the phantom's lesions, and its segmentation."""
    report = measured_report()
    array = np.random.default_rng(0).integers(0, 900, (64, 64, slices)).astype(np.float32)
    write_mr_series(Volume(array=array, affine=np.eye(4)), folder / name, header=FLAIR_HEADER)
    stack = read_stack(index_folder(folder / name).series[0])
    ids = np.zeros(stack.volume.array.shape, np.int32)
    for row in report.lesions:
        ids[4 * row.id : 4 * row.id + 3, 10:13, 50:57] = row.id
    images = LesionImages(time_point=name, ids=stack.volume.like(ids), headers=read_headers(stack.instances))
    seg = write_seg(images, report, folder / f"{name}.dcm")
    return Findings(time_point=name, headers=images.headers, seg=seg)


def main() -> None:
    """Prints the seconds."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--slices", type=int, default=196)
    slices = options.parse_args().slices
    with tempfile.TemporaryDirectory() as name:
        both = [findings(Path(name), time_point, slices) for time_point in ("baseline", "follow_up")]
        start = time.process_time()
        write_sr(both, measured_report(), Path(name) / "report.dcm")
        print(f"{slices} slices per study: {time.process_time() - start:.1f} s of CPU")


if __name__ == "__main__":
    main()
