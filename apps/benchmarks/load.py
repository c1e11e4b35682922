"""Callers in a closed loop: each asks, waits for the answer, and asks again."""

import http.client
import time
from threading import Barrier, Thread
from urllib.parse import urlsplit

import msgspec

from .case import Asker, Turn


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured."""

    per_second: float
    p50_milliseconds: float
    p99_milliseconds: float
    answers: int
    running: int
    """How many of them were told to look later (202)."""


def press(address: str, askers: list[Asker], *, seconds: float) -> Figures:
    """Ask for some seconds; the first tenth does not count.  Raises AssertionError for a wrong answer."""
    start = Barrier(len(askers) + 1)
    taken: list[list[tuple[float, float, int]]] = [[] for _ in askers]
    threads = [
        Thread(target=_ask, args=(address, asker, number, start, seconds, taken[number]))
        for number, asker in enumerate(askers)
    ]
    for one in threads:
        one.start()
    start.wait()
    began = time.monotonic()
    for one in threads:
        one.join()
    warm = began + seconds / 10
    counted = [one for ours in taken for one in ours if one[0] >= warm]
    wrong = [one for one in counted if one[2] < 0]
    assert not wrong, (
        f"{len(wrong)} of {len(counted)} answers were wrong, the first had status {-wrong[0][2]}"
    )
    times = sorted(took for _, took, _ in counted)
    return Figures(
        per_second=len(times) / (seconds * 0.9),
        p50_milliseconds=1000 * times[len(times) // 2],
        p99_milliseconds=1000 * times[len(times) * 99 // 100],
        answers=len(times),
        running=sum(status == 202 for _, _, status in counted),
    )


def _ask(
    address: str,
    asker: Asker,
    number: int,
    start: Barrier,
    seconds: float,
    taken: list[tuple[float, float, int]],
) -> None:
    parts = urlsplit(address)
    assert parts.hostname is not None, "an address has a host"
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    start.wait()
    until, count = time.monotonic() + seconds, 0
    while (now := time.monotonic()) < until:
        status = _do(connection, asker(number * 10**9 + count))
        count += 1
        taken.append((now, time.monotonic() - now, status))
    connection.close()


def _do(connection: http.client.HTTPConnection, turn: Turn) -> int:
    """All questions of a turn; the last status, 202 if it is not the last word, negative if it is wrong."""
    question, status = next(turn), 0
    while True:
        connection.request("POST", question.path, question.body, dict(question.headers))
        answer = connection.getresponse()
        body = answer.read()
        if answer.status not in (question.expected, 202):
            return -answer.status
        if answer.status == question.expected and not (question.running and question.running in body):
            status = 200
        else:
            status = 202
        try:
            question = turn.send(body)
        except StopIteration:
            return status
