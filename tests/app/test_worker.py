"""Worker: one thread, one report of one failure."""

import threading

from app.worker import Worker
from matting_core.errors import SourceError, StageFailed


def test_it_stops_when_asked() -> None:
    reports: list[StageFailed] = []
    worker = Worker(
        "loop", lambda stopping: [stopping.wait(0.01) for _ in iter(stopping.is_set, True)] and None, reports.append
    )
    worker.start()
    worker.ask_to_stop()
    assert worker.join(2.0)
    assert reports == []


def test_a_known_error_keeps_its_words_and_its_cause() -> None:
    error = SourceError("No camera.", "Plug one in.")
    reports: list[StageFailed] = []

    def body(_stopping: threading.Event) -> None:
        raise error

    worker = Worker("capture", body, reports.append)
    worker.start()
    assert worker.join(2.0)
    assert [(report.stage, str(report), report.__cause__) for report in reports] == [
        ("capture", "No camera. Plug one in.", error)
    ]


def test_an_unknown_error_is_put_in_words() -> None:
    reports: list[StageFailed] = []

    def body(_stopping: threading.Event) -> None:
        raise ZeroDivisionError("by nought")

    worker = Worker("matting", body, reports.append)
    worker.start()
    assert worker.join(2.0)
    assert "matting stage stopped" in str(reports[0])
    assert "ZeroDivisionError: by nought" in str(reports[0])


def test_a_worker_that_never_started_has_ended() -> None:
    assert Worker("idle", lambda _stopping: None, lambda _failure: None).join(0.0)
