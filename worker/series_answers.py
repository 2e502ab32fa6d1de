"""Answers questions which series a comparison would use, in a thread beside the worker's jobs."""

import threading
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import OperationalError

from service.contracts.blobs import BlobStore
from service.contracts.errors import InternalError, MsDeltaError
from service.contracts.logs import describe, get_logger
from service.contracts.series_decision import SeriesDecision
from service.contracts.series_questions import Question, SeriesQuestions
from worker.series_decision import decide
from worker.series_rules_file import load_rules

LOOK_EVERY_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesAnswerer:
    """Takes questions one by one; several workers share them."""

    questions: SeriesQuestions
    blobs: BlobStore
    rules: Path | None
    """A site's file, read anew for each question: what it says is tried by asking."""

    def keep_answering(self, stop: threading.Event) -> None:
        """Until `stop` is set; a job store that is away is tried again."""
        while not stop.wait(LOOK_EVERY_S):
            try:
                while self.answer_next():
                    pass
            except (MsDeltaError, OperationalError) as error:
                get_logger().warning("series questions failed, tried again", **describe(error))

    def answer_next(self) -> bool:
        """Answers the oldest question; False where there is none."""
        question = self.questions.take()
        if question is None:
            return False
        try:
            self.questions.answer(question, self._decide(question))
        except MsDeltaError as error:
            self.questions.refuse(question, error)
        except Exception as error:  # noqa: BLE001 (the boundary: whatever it was, the caller must not wait for nothing)
            get_logger().error("series question failed unexpectedly", **describe(error))
            self.questions.refuse(question, InternalError("an internal error; the worker's log holds it"))
        return True

    def _decide(self, question: Question) -> SeriesDecision:
        baseline = None if question.baseline is None else self.blobs.study_folder(question.baseline)
        return decide(self.blobs.study_folder(question.follow_up), baseline, rules=load_rules(self.rules))
