"""A site's PACS and destinations, read from one YAML file (`MSDELTA_SITE_FILE`).

    pacs:
      main:
        dicomweb: http://orthanc:8042/dicom-web
        username: msdelta
        password_file: /run/secrets/pacs
        webhook_key_files: [/run/secrets/webhook]       # several while a key is rotated
        deliver_to: [main, archive]
    destinations:
      main: {kind: stow, dicomweb: http://orthanc:8042/dicom-web}
      archive: {kind: dimse, host: 10.1.2.3, port: 104, ae_title: ARCHIVE, objects: [seg, sr]}

Secrets stand in files of their own, so that the site file can be shown and kept under version control.
"""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.contracts.input_errors import InvalidOption
from service.contracts.options import CompareOptions

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,23}$")]
AeTitle = Annotated[str, Field(pattern=r"^[!-\[\]-~](?:[ -\[\]-~]{0,14}[!-\[\]-~])?$")]
"""1 to 16 printable characters without backslash (DICOM PS3.5 6.2)."""
ObjectKind = Literal["seg", "sr", "pdf", "overlay"]
OBJECT_KINDS: tuple[ObjectKind, ...] = ("seg", "sr", "pdf", "overlay")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DicomWebServer(_Part):
    """Where a DICOMweb server answers, and as whom to ask it."""

    dicomweb: AnyHttpUrl
    """Root of QIDO-RS, WADO-RS and STOW-RS."""
    username: str | None = None
    password_file: Path | None = None
    bearer_token_file: Path | None = None
    certificate_file: Path | None = None
    """PEM bundle to trust instead of the system's."""
    timeout_s: float = Field(default=60.0, gt=0)


class Arriving(_Part):
    """What becomes of studies that nobody submits: they come by themselves."""

    settle_s: float = Field(default=60.0, ge=0)
    """A study is taken when its set of images has stayed the same for this long."""
    settle_limit_s: float = Field(default=6 * 3600.0, gt=0)
    """A study that never settles is given up after this."""
    least_interval_days: int = Field(default=30, ge=0)
    """An earlier study nearer than this is no baseline."""
    earlier_looked_at: int = Field(default=6, ge=1, le=50)
    """Of the earlier studies, the newest so many are looked into."""
    options: CompareOptions = CompareOptions()
    """Of the jobs that are made."""
    deliver_to: tuple[Name, ...] = ()
    """Destinations of the results."""


class Pacs(DicomWebServer, Arriving):
    """A PACS that tells us of studies and gives us their images."""

    webhook_key_files: tuple[Path, ...] = ()
    """Each holds one signing key (`whsec_...`); a message signed with any of them is believed."""


class StowDestination(DicomWebServer):
    """Results go there by STOW-RS."""

    kind: Literal["stow"]
    objects: tuple[ObjectKind, ...] = OBJECT_KINDS


class DimseDestination(_Part):
    """Results go there by C-STORE."""

    kind: Literal["dimse"]
    host: str
    port: int = Field(ge=1, le=65535)
    ae_title: AeTitle
    calling_ae_title: AeTitle = "MSDELTA"
    timeout_s: float = Field(default=60.0, gt=0)
    objects: tuple[ObjectKind, ...] = OBJECT_KINDS


Destination = Annotated[StowDestination | DimseDestination, Field(discriminator="kind")]


class Site(_Part):
    """Every PACS and destination by its name; the names stand in logs and rows, the addresses do not."""

    pacs: dict[Name, Pacs] = Field(default_factory=dict)
    received: Arriving = Arriving()
    """Studies that a PACS pushes to `/dicom-web/studies`."""
    destinations: dict[Name, Destination] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _destinations_are_known(self) -> "Site":
        for name, arriving in [*self.pacs.items(), ("received", self.received)]:
            if unknown := sorted(set(arriving.deliver_to) - set(self.destinations)):
                raise ValueError(f"{name} delivers to {', '.join(unknown)}, which is no destination here")
        return self


def read_site(path: Path | None) -> Site:
    """The site of a file; None: a site without PACS.

    Raises:
        InvalidOption: the file is not there, is no YAML, or says something unknown; names the key.
    """
    if path is None:
        return Site()
    try:
        return Site.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except OSError:
        raise InvalidOption("MSDELTA_SITE_FILE: the file cannot be read") from None
    except yaml.YAMLError:
        raise InvalidOption("MSDELTA_SITE_FILE: expected YAML") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidOption(f"MSDELTA_SITE_FILE: {place or 'site'}: {first['msg']}") from None


def read_secret(path: Path) -> str:
    """The secret in a file, without the line's end.

    Raises:
        InvalidOption: the file is not there or empty.
    """
    try:
        found = path.read_text(encoding="utf-8").strip()
    except OSError:
        raise InvalidOption("a secret file of the site cannot be read") from None
    if not found:
        raise InvalidOption("a secret file of the site is empty")
    return found
