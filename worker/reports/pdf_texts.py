"""What the PDF of a pair and that of a series say in sentences: the answer, reasons for care, what it rests on."""

from collections.abc import Iterable
from xml.sax.saxutils import escape

from reportlab.lib.units import mm
from reportlab.platypus import CondPageBreak, Flowable, KeepTogether, Paragraph, Spacer

from service.contracts.report import ModelInfo, Reason
from worker.reports.language import Words
from worker.reports.pdf_page import ANSWER, BODY, HEADING, LONG_ANSWER, SMALL
from worker.reports.pdf_tables import set_table
from worker.reports.tables import Table, flag_words

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


def ground(quality: Table, method: Iterable[str], model: ModelInfo, versions: str, words: Words) -> list[Flowable]:
    """What the answer rests on: quality, and how the report was made; weights and versions in small letters."""
    made: list[Flowable] = [
        Paragraph(words("method.title"), HEADING),
        *(Paragraph(escape(line), BODY) for line in method),
        Paragraph(f"{words('method.weights')} {escape(' '.join(model.sha256))}", SMALL),
        Paragraph(escape(versions), SMALL),
    ]
    head = Paragraph(words("quality.title"), HEADING)
    return [CondPageBreak(40 * mm), head, set_table(quality), KeepTogether(made)]
