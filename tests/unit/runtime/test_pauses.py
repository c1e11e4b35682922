"""Pauses between attempts."""

from swpt_accounts.runtime.pauses import Pauses


def test_pauses_double_up_to_the_longest_and_vary():
    """Each is at most twice as long as the one before, never longer than the longest, and random."""
    pauses = Pauses(0.25, 5.0)
    drawn = [pauses.draw() for _ in range(30)]
    for place, pause in enumerate(drawn):
        most = min(0.25 * 2**place, 5.0)
        assert most / 2 <= pause <= most
    assert len(set(drawn)) == 30


def test_pauses_begin_again():
    """After a success the next failure is answered by a short pause."""
    pauses = Pauses(0.25, 5.0)
    for _ in range(10):
        pauses.draw()
    pauses.reset()
    assert pauses.draw() <= 0.25
