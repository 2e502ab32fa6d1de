"""How a lesion's status looks (colour, symbol, kind of line) and a gate's flag (symbol): none by colour alone."""

from typing import Literal

Line = Literal["solid", "dashed", "dotted"]

COLOURS: dict[str, str] = {
    "new": "#e69f00",
    "enlarging": "#d55e00",
    "stable": "#56b4e9",
    "shrinking": "#009e73",
    "resolved": "#cc79a7",
    "indeterminate": "#f0e442",
    "lesion": "#56b4e9",
}
"""Okabe-Ito: told apart with every kind of colour vision. `lesion`: one time point alone, without a status."""

SYMBOLS: dict[str, str] = {
    "new": "+",
    "enlarging": "▲",
    "stable": "=",
    "shrinking": "▼",
    "resolved": "○",
    "indeterminate": "?",
    "lesion": "",
}

LINES: dict[str, Line] = {
    "new": "solid",
    "enlarging": "solid",
    "stable": "dashed",
    "shrinking": "dashed",
    "resolved": "dotted",
    "indeterminate": "dotted",
    "lesion": "solid",
}
"""What outlines keep on a grey print: solid is activity, dotted has no lesion or no certain one at follow-up."""

FLAG_SYMBOLS: dict[str, str] = {"green": "●", "amber": "◆", "red": "■"}
"""A shape for each flag of a quality gate."""
