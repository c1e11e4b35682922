"""The book of what was published and is not answered yet; no I/O, one thread."""

from collections.abc import Sequence
from logging import getLogger
from typing import TypeAlias

from swpt_accounts.events import Envelope

from .delivery import Delivery
from .settlement import OnSettled, Reason, Settlement

_logger = getLogger(__name__)


class Job:
    """The envelopes of one `publish` call, until all of them are settled."""

    __slots__ = ("_on_settled", "_open", "_unsettled", "deadline", "envelopes", "left", "size")

    def __init__(self, envelopes: Sequence[Envelope], on_settled: OnSettled, deadline: float) -> None:
        self.envelopes = envelopes
        self.deadline = deadline
        self.size = sum(len(envelope.body) for envelope in envelopes)
        self.left = len(envelopes)
        self._on_settled = on_settled
        self._open = bytearray(b"\1" * self.left)
        self._unsettled: list[tuple[int, Reason]] = []

    def settle(self, index: int, reason: Reason | None) -> None:
        """Note the answer for one envelope; None means that the broker has it."""
        if not self._open[index]:
            return
        self._open[index] = 0
        self.left -= 1
        if reason is not None:
            self._unsettled.append((index, reason))

    def settle_rest(self, reason: Reason) -> None:
        """Note the same answer for all that is left."""
        for index, is_open in enumerate(self._open):
            if is_open:
                self.settle(index, reason)

    def report(self) -> None:
        """Answer the caller; its errors are its own."""
        try:
            self._on_settled(Settlement(sorted(self._unsettled)))
        except Exception:
            _logger.exception("What should happen after publishing failed; the messages stay in the outbox.")


Entry: TypeAlias = tuple[Job, int]
"""One envelope: its job, and its index in it."""


class Confirms:
    """Counts the tags of a channel and finds what an answer of the broker is about (rule O3).

    A returned message comes back without tag or id, but in the order of publication and
    before its confirm.  So it is looked for by exchange, routing key, type and body,
    from behind the last one that was found; two messages that are equal in these are
    equally good to retry.
    """

    def __init__(self) -> None:
        self._sent: dict[int, Entry] = {}
        self._next_tag = 1
        self._lowest = 1
        self._returned: set[int] = set()
        self._search_from = 1

    def __len__(self) -> int:
        return len(self._sent)

    def sent(self, entry: Entry) -> None:
        """Note the publication of an envelope."""
        self._sent[self._next_tag] = entry
        self._next_tag += 1

    def confirmed(self, tag: int, multiple: bool, is_ack: bool) -> list[Job]:
        """Settle what a confirm is about; returns the jobs that are complete now."""
        done: list[Job] = []
        tags = range(self._lowest, tag + 1) if multiple else (tag,)
        if multiple:
            self._lowest = max(self._lowest, tag + 1)
        for one in tags:
            entry = self._sent.pop(one, None)
            if entry is None:
                continue
            reason: Reason | None = None if is_ack else "nacked"
            if self._returned and one in self._returned:
                self._returned.remove(one)
                reason = "returned"
            job, index = entry
            if job.left:
                job.settle(index, reason)
                if not job.left:
                    done.append(job)
        return done

    def returned(self, delivery: Delivery) -> None:
        """Mark the message that came back, so that its confirm does not settle it."""
        tag = self._find(self._search_from, self._next_tag, delivery)
        if tag is None:
            tag = self._find(self._lowest, self._search_from, delivery)
        if tag is not None:
            self._returned.add(tag)
            self._search_from = tag + 1
            return
        # It cannot be; but nothing that came back may ever count as delivered.
        _logger.error("The broker returned %r, which nobody knows; all on the way are kept.", delivery)
        self._returned.update(
            tag for tag, (job, index) in self._sent.items() if job.envelopes[index].mandatory
        )

    def _find(self, start: int, end: int, delivery: Delivery) -> int | None:
        type_ = delivery.type
        for tag in range(start, end):
            entry = self._sent.get(tag)
            if entry is not None and tag not in self._returned:
                envelope = entry[0].envelopes[entry[1]]
                if (
                    envelope.mandatory
                    and envelope.routing_key == delivery.routing_key
                    and envelope.exchange == delivery.exchange
                    # What an operator puts back keeps the type that its sender gave it, if any.
                    and (envelope.properties is not None or envelope.type == type_)
                    and len(envelope.body) == delivery.body_size
                    and envelope.body.startswith(delivery.body)
                ):
                    return tag
        return None

    def unanswered(self) -> list[Entry]:
        """What has no answer yet, in the order of publication."""
        return [entry for entry in self._sent.values() if entry[0].left]
