"""The typeface of PDF and drawings."""

from pathlib import Path

import matplotlib as mpl
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

FONT, BOLD = "DejaVuSans", "DejaVuSans-Bold"
"""matplotlib brings them; they have the symbols of the statuses. Embedded, as PDF viewers in reading rooms need."""


def load_fonts() -> None:
    """Makes the fonts known; before the first text."""
    if FONT not in pdfmetrics.getRegisteredFontNames():
        folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
        for name in (FONT, BOLD):
            pdfmetrics.registerFont(TTFont(name, folder / f"{name}.ttf"))
        pdfmetrics.registerFontFamily(FONT, normal=FONT, bold=BOLD, italic=FONT, boldItalic=BOLD)
        pdfmetrics.registerFontFamily(BOLD, normal=BOLD, bold=BOLD, italic=BOLD, boldItalic=BOLD)
