"""The measurement rules: every number that decides what is a lesion and what became of it.

The shipped values with their sources stand in `worker/measurement_rules.yaml`; the defaults here are the same, but that
nothing is known of noise: masks that are given for true have none.
"""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model.lesions import COUNTED_MM3, SMALLEST_MM3

ROUNDING = 1e-9
"""Volumes are products of voxel counts: a value on a limit counts as on it."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SeenChangeRules(_Frozen):
    """When a part that one mask alone holds is change (`model/seen_change.py`, decision 0011)."""

    stays_part: float = Field(default=0.5, gt=0, lt=1)
    """A part that keeps this much of its contrast has not changed."""
    least_contrast_sd: float = Field(default=0.4, ge=0)
    """Contrast that comes or goes with a lesion, at least, in standard deviations of the brain."""
    ring_from_voxels: int = Field(default=1, ge=1)
    ring_to_voxels: int = Field(default=4, ge=2)
    """Dilations of the lesion between which the ring around it lies."""
    smallest_ring_voxels: int = Field(default=10, ge=1)
    """Below which nothing is known of the surroundings."""
    smallest_core_voxels: int = Field(default=200, ge=1)
    """Lesion at both times from which the scans' contrasts can be told apart."""
    largest_scale: float = Field(default=2.0, ge=1)
    """Between the contrasts of two scans that are made alike."""

    @model_validator(mode="after")
    def _ring_is_one(self) -> "SeenChangeRules":
        if self.ring_from_voxels >= self.ring_to_voxels:
            raise ValueError("ring_from_voxels is not below ring_to_voxels")
        return self


class RegionRules(_Frozen):
    """Where a lesion lies, from the distances of its voxels' centres."""

    infratentorial_part: float = Field(default=0.5, gt=0, le=1)
    """Of the brain in and close around a lesion that is brainstem or cerebellum."""
    periventricular_mm: float = Field(default=3.0, gt=0)
    """Farthest from the ventricles."""
    juxtacortical_mm: float = Field(default=2.0, gt=0)
    """Farthest from the cortex."""


class NoiseRules(_Frozen):
    """How well volumes repeat where nothing changes: within-lesion standard deviations of the log of the volume.

    A table maps a volume (mm3) to its deviation: linear in the log of the volume, constant beyond the ends; an empty
    one means that nothing is known.
    """

    volume_log_sd: dict[float, float] = {}
    """Of the volume in one scan."""
    change_log_sd: dict[float, float] = {}
    """Of each of the two volumes that a change is the ratio of, masks settled by what FLAIR shows."""
    unsettled_change_log_sd: dict[float, float] = {}
    """Likewise, masks left as they are (`mask_only_changes: keep`)."""
    total_log_sd: float = Field(default=0.0, ge=0)
    """Of the sum over all lesions of one scan; 0: not known."""
    total_change_log_sd: float = Field(default=0.0, ge=0)
    """Of each of the two sums that a change is the ratio of, masks settled."""
    unsettled_total_change_log_sd: float = Field(default=0.0, ge=0)
    """Likewise, masks left as they are."""
    brain_log_sd: float = Field(default=0.0, ge=0)
    """Of the volume of the brain's tissue on one scanner; 0: not known."""

    @model_validator(mode="after")
    def _positive(self) -> "NoiseRules":
        for table in (self.volume_log_sd, self.change_log_sd, self.unsettled_change_log_sd):
            if any(volume <= 0 or deviation < 0 for volume, deviation in table.items()):
                raise ValueError("expected volumes above 0 with deviations of 0 or more")
        return self


class Rules(_Frozen):
    """One profile of a rule set; units are in the names."""

    smallest_mm3: float = Field(default=SMALLEST_MM3, ge=0)
    """Components below this are dropped."""
    counted_mm3: float = Field(default=COUNTED_MM3, ge=0)
    """Lesions are counted from here."""
    growth_factor: float = Field(default=1.5, gt=1)
    """enlarging from this ratio of volumes on, shrinking from its inverse ..."""
    growth_mm3: float = Field(default=14.0, ge=0)
    """... and at least this difference of volumes."""
    local_growth_mm3: float = Field(default=34.0, ge=0)
    """With that difference, also below the ratio: a part of this size lies more than `dilation_mm` from the old lesion
    (`model/local_growth.py`); 0: the ratio alone counts.
    """
    dilation_mm: float = Field(default=1.0, ge=0)
    """Lesions are compared with this slack, about the error of a good registration."""
    overlap_part: float = Field(default=0.10, gt=0, le=1)
    """Lesions are joined that share at least this part of the smaller."""
    least_certainty: float = Field(default=0.0, ge=0, le=1)
    """A lesion that changed with less than this certainty is indeterminate; 0: none is."""
    seen_change: SeenChangeRules = SeenChangeRules()
    regions: RegionRules = RegionRules()
    noise: NoiseRules = NoiseRules()

    @model_validator(mode="after")
    def _counted_is_kept(self) -> "Rules":
        if self.counted_mm3 < self.smallest_mm3:
            raise ValueError("counted_mm3 is below smallest_mm3")
        return self

    def unsettled(self) -> "Rules":
        """The rules for masks that may differ where FLAIR does not: their changes are noisier."""
        changed = {
            "change_log_sd": self.noise.unsettled_change_log_sd,
            "total_change_log_sd": self.noise.unsettled_total_change_log_sd,
        }
        return self.model_copy(update={"noise": self.noise.model_copy(update=changed)})

    def lesion_mm3(self, volume_mm3: float) -> float:
        """The volume, or 0 where it would be dropped as too small."""
        return volume_mm3 if volume_mm3 >= self.smallest_mm3 - ROUNDING else 0.0

    def counts(self, volume_mm3: float) -> bool:
        """Whether a lesion of this volume is counted."""
        return volume_mm3 >= self.counted_mm3 - ROUNDING
