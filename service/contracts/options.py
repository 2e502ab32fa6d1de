"""Options of a comparison, the same for the REST API and the command line."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.contracts.input_errors import InvalidOption
from service.contracts.settings import Settings

SegmentationKind = Literal["binary", "labelmap"]
Language = Literal["en", "de"]
AlignmentKind = Literal["rigid", "affine"]
CommonSpace = Literal["half-way", "baseline"]


def check_allowed(options: "CompareOptions", settings: Settings) -> None:
    """Refuses what the settings of this site do not allow.

    Raises:
        InvalidOption: the option and the setting are named.
    """
    if options.flair_only and not settings.allow_flair_only:
        raise InvalidOption("missing_t1: this site does not allow flair_only (MSDELTA_ALLOW_FLAIR_ONLY)")


class CompareOptions(BaseModel):
    """How to run a comparison; every default is the recommended value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    probabilities: bool = Field(default=False, description="also write the lesion probability of each time point")
    mirroring: bool = Field(
        default=False, description="average over the mirrored inputs that the weights allow: 2 to 8 times the work"
    )
    threshold: float | None = Field(default=None, gt=0, lt=1, description="lesion probability; null: the model's own")
    lesion_threshold: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="probability that a lesion's surest voxel must reach; null: the model's own, 0: no such limit",
    )
    mask_only_changes: Literal["settle", "keep"] = Field(
        default="settle",
        description="where the two masks differ and FLAIR does not: one answer for both times, or as they are",
    )
    rules_profile: str = Field(
        default="default",
        max_length=64,
        description="of the measurement rules: default, growth_20_percent, or one of the site's own file",
    )
    certainty: bool = Field(
        default=True,
        description="ask the network for a second opinion of each scan, with itself as its prior, for the certainty of "
        "each change; otherwise certainty comes from the first opinions alone, unless the weights call lesions by both",
    )
    registration_backend: Literal["simpleitk", "flirt"] = "simpleitk"
    alignment: AlignmentKind = Field(
        default="rigid",
        description="of the visits to each other; rigid: volumes stay as each scanner sees them; affine: a difference "
        "of scale and shear between the scans is taken out",
    )
    common_space: CommonSpace = Field(
        default="half-way",
        description="where the visits are resampled to and measured: half-way between them, or the space of the "
        "baseline (of the first visit), as in the paper",
    )
    missing_t1: Literal["refuse", "flair_only"] = Field(
        default="refuse",
        description="a study without T1: refused, or FLAIR alone for both studies, flagged; a site has to allow it",
    )
    prior_for_first: Literal["follow-up", "self"] = Field(
        default="follow-up",
        description="prior when the baseline is segmented: the follow-up (paper) or the scan itself",
    )
    crop: Literal["union", "none"] = Field(
        default="union", description="crop to the union of both brains (paper) or not"
    )
    dicom_seg: SegmentationKind = Field(
        default="binary",
        description="of DICOM studies: lesions as Segmentation Storage, which viewers of segmentations read, or Label "
        "Map Segmentation Storage, smaller and not widely read yet",
    )
    language: Language = Field(
        default="en",
        description="of report.html, report.pdf, series.html, series.pdf and the conclusions of report.fhir.json and "
        "series.fhir.json; the words of report.json and series.json, keys and codes are always English",
    )

    @property
    def flair_only(self) -> bool:
        """A study without T1 is not refused."""
        return self.missing_t1 == "flair_only"
