"""A site file is read whole or refused with the key that is wrong."""

from pathlib import Path

import pytest

from service.contracts.input_errors import InvalidOption
from service.contracts.site import read_secret, read_site

SITE = """
pacs:
  main:
    dicomweb: http://127.0.0.1:8042/dicom-web
    webhook_key_files: [/run/secrets/webhook]
    deliver_to: [main, archive]
    options: {mirroring: true}
destinations:
  main: {kind: stow, dicomweb: "http://127.0.0.1:8042/dicom-web", objects: [seg]}
  archive: {kind: dimse, host: 127.0.0.1, port: 104, ae_title: ARCHIVE}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "site.yaml"
    path.write_text(text)
    return path


def test_no_file_is_a_site_without_pacs() -> None:
    site = read_site(None)
    assert (site.pacs, site.destinations) == ({}, {})


def test_a_site_is_read_with_its_options_and_defaults(tmp_path: Path) -> None:
    site = read_site(written(tmp_path, SITE))
    assert site.pacs["main"].options.mirroring
    assert site.pacs["main"].least_interval_days == 30
    assert site.destinations["main"].objects == ("seg",)
    assert site.destinations["archive"].objects == ("seg", "sr", "pdf", "overlay")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("deliver_to: [main, archive]", "deliver_to: [elsewhere]"), "elsewhere, which is no destination"),
        (("port: 104", "port: 70000"), r"destinations\.archive\.dimse\.port"),
        (("ae_title: ARCHIVE", "ae_title: A-TITLE-OF-20-SIGNS"), "ae_title"),
        (("kind: stow", "kind: ftp"), r"destinations\.main"),
        (("mirroring: true", "mirrors: true"), r"pacs\.main\.options\.mirrors"),
        (("pacs:", "pacs: ["), "expected YAML"),
    ],
)
def test_what_is_wrong_in_a_site_file_is_named(tmp_path: Path, change: tuple[str, str], named: str) -> None:
    path = written(tmp_path, SITE.replace(*change))
    with pytest.raises(InvalidOption, match=named):
        read_site(path)


def test_a_missing_site_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="cannot be read"):
        read_site(tmp_path / "none.yaml")


def test_a_secret_file_must_hold_something(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(" \n")
    with pytest.raises(InvalidOption, match="empty"):
        read_secret(path)
    path.write_text("whsec_abc\n")
    assert read_secret(path) == "whsec_abc"
