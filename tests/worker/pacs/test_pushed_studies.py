"""Studies that are pushed to us become one job, beside what the same key pushed before."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pydicom import dcmread

from service.contracts.arrivals import RECEIVED, ArrivalState
from service.contracts.jobs import JobEvent
from service.contracts.site import Site, read_site
from tests.fixtures.arrival_bench import FIRST, SECOND, Bench, made_bench, study_uid
from tests.fixtures.pacs_studies import write_small_study


def pushed(bench: Bench, folder: Path, day: date, owner: str = "key") -> Path:
    for path in write_small_study(folder, day=day):
        header = dcmread(path, stop_before_pixels=True)
        target = bench.blobs.received_folder(owner, str(header.StudyInstanceUID))
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{header.SOPInstanceUID}.dcm").write_bytes(path.read_bytes())
    return folder


def test_pushed_studies_are_compared_with_the_earlier_one_that_the_same_key_pushed(tmp_path: Path) -> None:
    bench = made_bench(tmp_path, Site())
    pushed(bench, tmp_path / "other", FIRST, owner="another key")
    pushed(bench, tmp_path / "1", date(2023, 5, 5))
    bench.tell(pushed(bench, tmp_path / "2", SECOND), pacs=RECEIVED, owner="key")
    bench.settle()
    (job,) = bench.all_jobs()
    assert job.owner == "key"
    assert (bench.day_of(job.baseline), bench.day_of(job.follow_up)) == (date(2023, 5, 5), SECOND)
    bench.engine.dispose()


def test_a_job_that_was_made_before_a_crash_is_found_again(tmp_path: Path) -> None:
    bench = made_bench(tmp_path, Site())
    told = bench.tell(pushed(bench, tmp_path / "2", SECOND), pacs=RECEIVED, owner="key")
    bench.settle()
    (job,) = bench.all_jobs()
    lease = bench.jobs.claim(job.id, lease_s=60)
    bench.jobs.finish(lease, JobEvent.SUCCEED)
    bench.arrivals.announce(RECEIVED, told.study_uid, owner="key")
    bench.arrivals.took(told, taken="", job_id=None)  # as if the crash came before this was written
    bench.arrivals.announce(RECEIVED, told.study_uid, owner="key")
    bench.settle(3)
    assert [one.id for one in bench.all_jobs()] == [job.id]
    assert len(list((bench.blobs.root / "studies").iterdir())) == 1
    bench.engine.dispose()


def test_logs_and_rows_of_arrivals_name_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = made_bench(tmp_path, Site())
    bench.tell(pushed(bench, tmp_path / "2", SECOND), pacs=RECEIVED, owner="key")
    bench.settle()
    bench.engine.dispose()
    output = capsys.readouterr()
    assert "Zyzzyva" not in output.out + output.err
    assert b"Zyzzyva" not in (tmp_path / "jobs.sqlite").read_bytes()
    assert "Zyzzyva" not in json.dumps([str(path) for path in (tmp_path / "data").rglob("*")])


def test_another_baseline_for_the_same_images_is_another_job(tmp_path: Path) -> None:
    bench = made_bench(tmp_path, Site())
    pinned = pushed(bench, tmp_path / "1", FIRST)
    pushed(bench, tmp_path / "2", date(2023, 6, 1))
    follow_up = pushed(bench, tmp_path / "3", SECOND)
    for more in ({}, {"baseline_uid": study_uid(pinned)}, {}):
        bench.tell(follow_up, pacs=RECEIVED, owner="key", **more)
        bench.settle(3)
    new, old = bench.all_jobs()
    assert (bench.day_of(old.baseline), bench.day_of(new.baseline)) == (date(2023, 6, 1), FIRST)
    bench.engine.dispose()


def test_a_site_file_that_is_broken_loses_no_study_and_counts_when_it_is_mended(tmp_path: Path) -> None:
    bench = made_bench(tmp_path, Site())
    path = tmp_path / "site.yaml"
    path.write_text("received: {settle: 1}")
    bench.desk = replace(bench.desk, site=lambda: read_site(path))
    bench.tell(pushed(bench, tmp_path / "s", SECOND), pacs=RECEIVED, owner="key")
    bench.settle()
    assert (bench.arrival().state, bench.arrival().error_code) == (ArrivalState.WAITING, "invalid_option")
    path.write_text("received: {settle_s: 1}")
    bench.settle(3)
    assert len(bench.all_jobs()) == 1
    bench.engine.dispose()
