"""Progress of a whole job out of the progress of its stages, and the time each took."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from worker.case import Progress, Stage

STAGE_STARTS: dict[Stage, float] = {
    Stage.READ: 0.0,
    Stage.REGISTER: 0.02,
    Stage.PREPARE: 0.62,
    Stage.PREDICT: 0.68,
    Stage.COMPARE: 0.96,
    Stage.REPORT: 0.97,
}
"""Part of a job that is done when a stage begins, by the times that `benchmarks/pair.py` prints."""


class StageClock:
    """Reports progress and keeps the seconds of each stage."""

    def __init__(self, progress: Progress, *, now: Callable[[], float] = time.perf_counter) -> None:
        self._progress = progress
        self._now = now
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[Callable[[float], None]]:
        """Yields a function that takes the done part of this stage (0 to 1); it may raise to stop the work."""
        starts = [*STAGE_STARTS.values(), 1.0]
        low, high = starts[list(Stage).index(stage)], starts[list(Stage).index(stage) + 1]
        self._progress(stage, low)
        begun = self._now()
        try:
            yield lambda part: self._progress(stage, low + (high - low) * part)
        finally:
            self.seconds[stage.value] = self.seconds.get(stage.value, 0.0) + self._now() - begun
