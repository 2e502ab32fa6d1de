"""What a run writes as it goes."""

import csv
from pathlib import Path

from model.training_log import COLUMNS, TrainingLog


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def write(folder: Path, iteration: int, *iterations: int) -> None:
    with TrainingLog(folder, iteration) as log:
        for number in iterations:
            dice = 0.5 if number % 2 == 0 else None
            log.row(number, loss=1.0, learning_rate=0.01, elapsed_s=2.0 * number, validation_dice=dice)


def test_a_row_for_each_iteration_with_the_dice_where_there_was_validation(tmp_path: Path) -> None:
    write(tmp_path, 0, 1, 2)

    assert [(row["iteration"], row["validation_dice"]) for row in rows(tmp_path)] == [("1", ""), ("2", "0.5000")]
    assert any((tmp_path / "tensorboard").iterdir())


def test_rows_that_the_checkpoint_does_not_hold_are_written_once(tmp_path: Path) -> None:
    write(tmp_path, 0, 1, 2, 3, 4)
    write(tmp_path, 2, 3, 4, 5)

    assert [row["iteration"] for row in rows(tmp_path)] == ["1", "2", "3", "4", "5"]


def test_the_log_of_an_older_run_gets_todays_columns(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("iteration,loss,learning_rate,elapsed_s\n1,1.5,0.1,3.0\n")
    write(tmp_path, 1, 2)

    assert tuple(rows(tmp_path)[0]) == COLUMNS
    assert [(row["loss"], row["validation_dice"]) for row in rows(tmp_path)] == [("1.5", ""), ("1.0000", "0.5000")]


def test_a_log_without_header_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("1,1.5,3.0\n")
    write(tmp_path, 0, 1)

    assert (tmp_path / "log.old.csv").read_text() == "1,1.5,3.0\n"
    assert [row["iteration"] for row in rows(tmp_path)] == ["1"]
