"""Report pages of the raw clinical pairs, as pictures for docs/gallery.

    python benchmarks/gallery.py [--patients 01 03 19] [--out docs/gallery] [--language en]

Each is one run from files to report with the shipped weights; the page is drawn by Chromium, as a browser shows it. Who
runs it looks at the pictures. Nothing of these patients was trained on. The baselines of 03 and 19 have no T1 here: the
follow-up's stands in. The images are Lesjak et al. 2016 (CC-BY), which docs/gallery/README.md says.
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from longitudinal import Visit, data_folder
from PIL import Image

from service.contracts.options import CompareOptions
from worker.outcome import CaseRequest
from worker.pipeline import run_case
from worker.pipeline_tools import load_tools

WIDTH, TALLEST = 1000, 9000
"""Pixels of the window; what is empty below the page is cut off."""
MARGIN = 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", nargs="*", default=["01", "03", "19"])
    parser.add_argument("--out", type=Path, default=Path("docs/gallery"))
    parser.add_argument("--language", choices=["en", "de"], default="en")
    arguments = parser.parse_args()
    tools = load_tools()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for patient in arguments.patients:
        visits = [Visit(data_folder() / f"patient{patient}", number) for number in (1, 2)]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            request = CaseRequest(
                baseline=visits[0].link(folder / "baseline"),
                follow_up=visits[1].link(folder / "follow_up"),
                out=folder / "out",
                options=CompareOptions(language=arguments.language),
            )
            report = run_case(request, tools=tools, progress=lambda _stage, _part: None)
            picture(folder / "out" / "report.html", arguments.out / f"patient{patient}.jpg")
        print(f"patient{patient}: comparable {report.comparable}, {report.counts}, {report.volumes_ml}")


def picture(page: Path, target: Path) -> None:
    """The whole page as one picture."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("expected Chromium")
    shot = page.with_suffix(".png")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={WIDTH},{TALLEST}"]
    subprocess.run([chromium, *options, f"--screenshot={shot}", page.as_uri()], check=True, capture_output=True)
    whole = Image.open(shot).convert("RGB")
    rows = np.flatnonzero((np.asarray(whole) != np.asarray(whole)[-1, -1]).any(axis=(1, 2)))
    whole.crop((0, 0, whole.width, int(rows[-1]) + MARGIN)).save(target, quality=85, optimize=True)


if __name__ == "__main__":
    main()
