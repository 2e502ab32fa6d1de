"""Zip files unpacked without trust: no path of theirs is used, no size of theirs is believed."""

import stat
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from service.contracts.input_errors import ArchiveTooLarge, EmptyStudy, TruncatedArchive, UnsafeArchivePath
from service.contracts.nifti_names import kind_of

CHUNK = 1 << 20
LARGEST_RATIO = 200
"""Real images deflate by 2 to 20; beyond this a member is a bomb (once it is larger than 64 MiB)."""
RATIO_FROM_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much an archive may unpack to."""

    max_bytes: int
    max_files: int


def unpack_zip(archive: Path, target: Path, limits: Limits, *, name: Callable[[str, int], str] | None = None) -> int:
    """The number of files written to `target` under names of our own; hidden files and folders are left out.

    Raises:
        TruncatedArchive, UnsafeArchivePath, ArchiveTooLarge, EmptyStudy: nothing more is written then.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [m for m in opened.infolist() if not m.is_dir()]
            for member in members:
                _check_path(member)
            wanted = [m for m in members if _is_wanted(m.filename)]
            if len(wanted) > limits.max_files:
                raise ArchiveTooLarge(f"the archive holds {len(wanted)} files, expected at most {limits.max_files}")
            left = limits.max_bytes
            for number, member in enumerate(wanted, start=1):
                stored = (name or opaque_name)(member.filename, number)
                left -= _unpack(opened, member, target / stored, left, limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise TruncatedArchive("the zip file is damaged, ends early or is encrypted") from error
    if not wanted:
        raise EmptyStudy("the archive holds no files")
    return len(wanted)


def opaque_name(original: str, number: int) -> str:
    """A name that says what the file is and nothing else: `t1_3.nii.gz`, `000003.dcm`."""
    kind = kind_of(PurePosixPath(original.replace("\\", "/")).name)
    lower = original.lower()
    if lower.endswith((".nii", ".nii.gz")):
        suffix = ".nii.gz" if lower.endswith(".gz") else ".nii"
        return f"{kind}_{number}{suffix}"
    return f"{number:06d}.dcm"


def _check_path(member: zipfile.ZipInfo) -> None:
    path = member.filename.replace("\\", "/")
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or (parts and parts[0].endswith(":")) or "\x00" in path:
        raise UnsafeArchivePath("a member's path is absolute or climbs out of the archive")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise UnsafeArchivePath("a member is a link")


def _is_wanted(path: str) -> bool:
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return not any(part.startswith(".") or part == "__MACOSX" for part in parts) and parts[-1].upper() != "DICOMDIR"


def _unpack(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, left: int, limits: Limits) -> int:
    written = 0
    with opened.open(member) as source, target.open("xb") as sink:
        while chunk := source.read(CHUNK):
            written += len(chunk)
            bomb = written > RATIO_FROM_BYTES and written > LARGEST_RATIO * max(1, member.compress_size)
            if written > left or bomb:
                raise ArchiveTooLarge(f"the archive unpacks to more than {limits.max_bytes} bytes or is a zip bomb")
            sink.write(chunk)
    return written
