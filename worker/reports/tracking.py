"""The UID that a lesion is tracked by: one function for every result that names lesions."""

from collections.abc import Sequence

from pydicom.uid import UID, generate_uid


def tracking_uid(case: str, weights: Sequence[str], name: str) -> UID:
    """The same UID for the same case, weights and name.

    Args:
        case: what tells one run from another (`worker.reports.dicom_series.case_of`).
        weights: digests of the network that found the lesion.
        name: of the lesion within the case.
    """
    return generate_uid(entropy_srcs=[case, *weights, name])
