"""A drawing as SVG that stands inside a page: no file around it, no address, no identifier twice."""

from xml.etree import ElementTree as ET

from reportlab.graphics import renderSVG
from reportlab.graphics.shapes import Drawing

from worker.reports.fonts import BOLD, FONT

SVG = "{http://www.w3.org/2000/svg}"
PLAIN = '"DejaVu Sans", system-ui, sans-serif'
FAMILIES = {BOLD: f"{PLAIN}; font-weight: bold", FONT: PLAIN}
"""What a browser knows for the fonts of the PDF, bold first: its name holds the other's."""


def inline_svg(drawing: Drawing, alt: str) -> str:
    """An image in a browser's eyes, with what it shows in words."""
    text = renderSVG.drawToString(drawing)
    root = ET.fromstring(text[text.index("<svg") :])  # noqa: S314 (made a line above)
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
        element.attrib.pop("id", None)
        style = element.get("style", "")
        if "clip-path" in style:
            del element.attrib["style"]
        for name, family in FAMILIES.items():
            style = style.replace(f"font-family: {name};", f"font-family: {family};")
        if "style" in element.attrib:
            element.set("style", style.replace("fill: None", "fill: none"))
    for child in [one for one in root if one.tag in {"title", "desc", "clipPath"}]:
        root.remove(child)
    for name in ("version", "width", "height"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", alt)
    return ET.tostring(root, encoding="unicode")
