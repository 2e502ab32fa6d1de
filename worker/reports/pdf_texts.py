"""What the PDF of a pair and that of a series say in sentences: the answer, reasons for care, how it was made."""

from collections.abc import Iterable
from xml.sax.saxutils import escape

from reportlab.lib.units import mm
from reportlab.platypus import Flowable, KeepTogether, Paragraph, Spacer

from service.contracts.report import ModelInfo, Reason
from worker.reports.language import Words
from worker.reports.pdf_page import ANSWER, BODY, HEADING, LONG_ANSWER, SMALL
from worker.reports.tables import flag_words

LONG = 60
"""Characters from which the answer is set smaller."""


def answer(sentence: str, below: str) -> list[Flowable]:
    """The answer, and in small letters what it is of."""
    look = LONG_ANSWER if len(sentence) > LONG else ANSWER
    return [Paragraph(escape(sentence), look), Paragraph(escape(below), SMALL), Spacer(0, 2 * mm)]


def reasons(title: str, said: Iterable[tuple[Reason, str]], words: Words) -> list[Flowable]:
    """A line for each reason: its flag in a shape and a word, the reason in words, its code."""
    story: list[Flowable] = [Paragraph(title, HEADING)]
    for one, text in said:
        flag = flag_words(one.flag.value, words).replace(" ", " <b>") + "</b>"
        story.append(Paragraph(f"{flag} {escape(text)} <font size=7>({escape(one.code)})</font>", BODY))
    return [*story, Spacer(0, 2 * mm)]


def method(lines: Iterable[str], model: ModelInfo, versions: str, words: Words) -> Flowable:
    """How the report was made: a paragraph for each line, the weights, and versions in small letters."""
    return KeepTogether(
        [
            Paragraph(words("method.title"), HEADING),
            *(Paragraph(escape(line), BODY) for line in lines),
            Paragraph(f"{words('method.weights')} {escape(' '.join(model.sha256))}", SMALL),
            Paragraph(escape(versions), SMALL),
        ]
    )
