"""The options of a comparison as the command line takes them, the same for two visits and for more."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from service.contracts.input_errors import InvalidOption
from service.contracts.options import CompareOptions

AsJson = Annotated[bool, typer.Option("--json", help="print the report as JSON")]
Probabilities = Annotated[bool, typer.Option(help="also write lesion probabilities")]
Mirroring = Annotated[bool, typer.Option(help="average over mirrored inputs: 2 to 8 times the work")]
Threshold = Annotated[float | None, typer.Option(min=0.0, max=1.0, help="lesion probability of a voxel")]
LesionThreshold = Annotated[
    float | None, typer.Option(min=0.0, max=1.0, help="lesion probability of a lesion's surest voxel")
]
MaskOnlyChanges = Annotated[
    str, typer.Option(help="masks differ, FLAIR does not: settle (one answer for all visits) or keep")
]
MissingT1 = Annotated[
    str, typer.Option(help="a study without T1: refuse, or flair_only (needs MSDELTA_ALLOW_FLAIR_ONLY=1)")
]
RegistrationBackend = Annotated[str, typer.Option(help="simpleitk or flirt (needs FSLDIR)")]
Alignment = Annotated[str, typer.Option(help="of the visits to each other: rigid or affine")]
CommonSpace = Annotated[
    str, typer.Option(help="where the visits meet: half-way, or baseline, the first visit's own space")
]
RulesProfile = Annotated[
    str, typer.Option(help="of the measurement rules: default, growth_20_percent, or a site's own")
]
Certainty = Annotated[bool, typer.Option(help="ask the network for a second opinion of each scan")]
PriorForFirst = Annotated[str, typer.Option(help="prior of the earlier of two visits: follow-up or self")]
Crop = Annotated[str, typer.Option(help="union or none")]
Language = Annotated[str, typer.Option(help="of what people read, the page and the PDF: en or de")]
Weights = Annotated[Path | None, typer.Option(help="safetensors file, or a folder: an ensemble")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N")]


def compare_options(values: Mapping[str, object]) -> CompareOptions:
    """The options among the parameters of a command.

    Raises:
        InvalidOption: names each that has a value outside its range.
    """
    try:
        return CompareOptions.model_validate(
            {name: values[name] for name in CompareOptions.model_fields if name in values}
        )
    except ValidationError as error:
        raise InvalidOption("; ".join(f"{one['loc'][0]}: {one['msg']}" for one in error.errors())) from error
