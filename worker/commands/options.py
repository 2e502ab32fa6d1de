"""The options of a comparison as the command line takes them."""

from collections.abc import Mapping

from pydantic import ValidationError

from service.contracts.input_errors import InvalidOption
from service.contracts.options import CompareOptions


def compare_options(values: Mapping[str, object]) -> CompareOptions:
    """The options.

    Raises:
        InvalidOption: names each that has a value outside its range.
    """
    try:
        return CompareOptions.model_validate(values)
    except ValidationError as error:
        raise InvalidOption("; ".join(f"{one['loc'][0]}: {one['msg']}" for one in error.errors())) from error
