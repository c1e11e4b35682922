"""Publications that the broker has not answered yet, by their numbers on the channel."""

from collections.abc import Iterable

from swpt_client.transport.base import Inbox


class Unconfirmed:
    """Counts publications, and takes the broker's answers, which may be for many at once."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._last = 0
        self._numbers: dict[int, int] = {}
        """In the order in which they were published."""
        self._returned: set[int] = set()

    def add(self, number: int) -> int:
        """A publication leaves; gives its number on the channel."""
        self._last += 1
        self._numbers[self._last] = number
        return self._last

    def return_(self, tag: int) -> None:
        """No queue takes it; the confirmation that follows does not mean that anybody has it."""
        if tag in self._numbers:
            self._returned.add(tag)

    def answer(self, tag: int, *, is_multiple: bool, is_ack: bool) -> None:
        """The broker has it, or does not take it; with `is_multiple` all up to it as well."""
        if is_multiple:
            tags = []
            for one in self._numbers:
                if one > tag:
                    break
                tags.append(one)
        else:
            tags = [tag] if tag in self._numbers else []
        self._settle((one for one in tags if one not in self._returned), None if is_ack else "refused")
        returned = [one for one in tags if one in self._returned]
        self._settle(returned, "returned")
        self._returned.difference_update(returned)

    def lose(self) -> None:
        """The connection is gone, and nobody will answer any more."""
        self._returned.clear()
        self._settle(list(self._numbers), "unanswered")

    def _settle(self, tags: Iterable[int], reason: str | None) -> None:
        numbers = [self._numbers.pop(tag) for tag in list(tags)]
        if numbers:
            self._inbox.settle(numbers, reason)
