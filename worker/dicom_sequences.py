"""MR sequences as the headers of three vendors describe them: what `worker.dicom_writer` writes beside the pixels.

Values follow real headers of each vendor's T1 and FLAIR protocols; times are milliseconds.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class MrSequence:
    """The acquisition part of an MR image header; names are those of the DICOM standard (PS3.3 C.8.3.1)."""

    manufacturer: str
    model_name: str
    field_strength_t: float
    series_description: str
    image_type: tuple[str, ...]
    scanning_sequence: tuple[str, ...]
    sequence_variant: tuple[str, ...]
    scan_options: tuple[str, ...]
    sequence_name: str | None
    acquisition_type: Literal["2D", "3D"]
    echo_time_ms: float
    repetition_time_ms: float
    inversion_time_ms: float | None
    flip_angle_deg: float
    echo_train_length: int


SIEMENS_MPRAGE = MrSequence(
    manufacturer="SIEMENS",
    model_name="Prisma",
    field_strength_t=3.0,
    series_description="t1_mprage_sag_p2_iso",
    image_type=("ORIGINAL", "PRIMARY", "M", "ND", "NORM"),
    scanning_sequence=("GR", "IR"),
    sequence_variant=("SK", "SP", "MP"),
    scan_options=("IR", "WE"),
    sequence_name="*tfl3d1_16ns",
    acquisition_type="3D",
    echo_time_ms=2.98,
    repetition_time_ms=2300.0,
    inversion_time_ms=900.0,
    flip_angle_deg=9.0,
    echo_train_length=1,
)

SIEMENS_FLAIR_2D = MrSequence(
    manufacturer="SIEMENS",
    model_name="Aera",
    field_strength_t=1.5,
    series_description="t2_tirm_tra_dark-fluid",
    image_type=("ORIGINAL", "PRIMARY", "M", "ND", "NORM"),
    scanning_sequence=("SE", "IR"),
    sequence_variant=("SK", "SP", "MP"),
    scan_options=("IR", "SAT1", "FS"),
    sequence_name="*tir2d1_16",
    acquisition_type="2D",
    echo_time_ms=94.0,
    repetition_time_ms=9000.0,
    inversion_time_ms=2500.0,
    flip_angle_deg=150.0,
    echo_train_length=16,
)

SIEMENS_FLAIR_3D = MrSequence(
    manufacturer="SIEMENS",
    model_name="Prisma",
    field_strength_t=3.0,
    series_description="t2_space_dark-fluid_sag_p2_iso",
    image_type=("ORIGINAL", "PRIMARY", "M", "ND", "NORM"),
    scanning_sequence=("SE", "IR"),
    sequence_variant=("SK", "SP", "MP"),
    scan_options=("IR", "PFP", "FS"),
    sequence_name="*spcir_278ns",
    acquisition_type="3D",
    echo_time_ms=394.0,
    repetition_time_ms=6000.0,
    inversion_time_ms=2200.0,
    flip_angle_deg=120.0,
    echo_train_length=278,
)

PHILIPS_T1_TFE = MrSequence(
    manufacturer="Philips Medical Systems",
    model_name="Ingenia",
    field_strength_t=3.0,
    series_description="3D_T1_TFE_SAG",
    image_type=("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"),
    scanning_sequence=("GR",),
    sequence_variant=("MP",),
    scan_options=("FC",),
    sequence_name=None,
    acquisition_type="3D",
    echo_time_ms=3.7,
    repetition_time_ms=8.1,
    inversion_time_ms=None,
    flip_angle_deg=8.0,
    echo_train_length=225,
)

PHILIPS_FLAIR_3D = MrSequence(
    manufacturer="Philips Medical Systems",
    model_name="Ingenia",
    field_strength_t=3.0,
    series_description="3D_BrainVIEW_FLAIR",
    image_type=("ORIGINAL", "PRIMARY", "M_IR", "M", "IR"),
    scanning_sequence=("IR",),
    sequence_variant=("SK",),
    scan_options=("SFS",),
    sequence_name=None,
    acquisition_type="3D",
    echo_time_ms=386.754,
    repetition_time_ms=4800.0,
    inversion_time_ms=1650.0,
    flip_angle_deg=90.0,
    echo_train_length=182,
)

GE_T1_BRAVO = MrSequence(
    manufacturer="GE MEDICAL SYSTEMS",
    model_name="DISCOVERY MR750",
    field_strength_t=3.0,
    series_description="Sag T1 BRAVO",
    image_type=("ORIGINAL", "PRIMARY", "OTHER"),
    scanning_sequence=("GR",),
    sequence_variant=("SS", "SP", "SK"),
    scan_options=("FAST_GEMS", "EDR_GEMS"),
    sequence_name=None,
    acquisition_type="3D",
    echo_time_ms=3.164,
    repetition_time_ms=8.9,
    inversion_time_ms=900.0,
    flip_angle_deg=12.0,
    echo_train_length=1,
)

GE_FLAIR_2D = MrSequence(
    manufacturer="GE MEDICAL SYSTEMS",
    model_name="DISCOVERY MR750",
    field_strength_t=3.0,
    series_description="Ax T2 FLAIR",
    image_type=("ORIGINAL", "PRIMARY", "OTHER"),
    scanning_sequence=("SE", "IR"),
    sequence_variant=("SK",),
    scan_options=("FAST_GEMS", "FC", "FS"),
    sequence_name=None,
    acquisition_type="2D",
    echo_time_ms=119.3,
    repetition_time_ms=8802.0,
    inversion_time_ms=2250.0,
    flip_angle_deg=111.0,
    echo_train_length=24,
)
