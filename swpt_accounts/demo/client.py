"""A small agent: owner of accounts and coordinator of transfers, over the exchanges of the protocol.

It sends JSON to `accounts_in`, and reads a mailbox that is bound to `to_creditors`, `to_debtors`
and `to_coordinators`.  Both ways a careless postman is in between.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from random import Random
from typing import Final

from swpt_accounts.broker import Delivery, MemoryTransport
from swpt_accounts.events import ACCOUNTS_IN, TO_COORDINATORS, TO_CREDITORS, TO_DEBTORS
from swpt_accounts.wire.moments import Moment, seconds
from swpt_accounts.wire.routing import binary_key, hex_key

from .accounts import OwnAccount
from .coordinator import Coordinator
from .disorder import Disorder
from .ledger import Message
from .transfers import Transfer

OTHER_COORDINATOR_TYPE: Final = "demo"
"""A type without rules of its own, whose answers stay on the exchange `to_coordinators`."""

_PATIENCE: Final = seconds(1.0)
_IDLE_SECONDS: Final = 0.03
# What the sender notices that it was lost, because no answer comes.  For a lost FinalizeTransfer
# it would have to wait for the reminder, a week later.
_MAY_BE_LOST: Final = frozenset({"ConfigureAccount", "PrepareTransfer"})


class Client:
    """Sends, listens, and keeps the book."""

    def __init__(
        self, transport: MemoryTransport, debtor_id: int, subnet: int, seed: str, clock: Callable[[], Moment]
    ) -> None:
        self.accounts: dict[int, OwnAccount] = {}
        self.coordinator = Coordinator()
        self.sent: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.repeated = 0
        self.prepared: set[tuple[int, int]] = set()
        """The prepared transfers that we have heard of: sender and transfer id."""
        self.finalized: defaultdict[tuple[int, int], set[bytes]] = defaultdict(set)
        """What the server has said about the end of each of them."""
        self.unexpected: list[str] = []
        self.outgoing: Disorder[Message] = Disorder(Random(f"{seed} outgoing"))  # noqa: S311
        self.incoming: Disorder[Message] = Disorder(Random(f"{seed} incoming"))  # noqa: S311
        self._debtor_id = debtor_id
        self._transport = transport
        self._clock = clock
        self._mailbox = transport.open_mailbox(TO_CREDITORS, _binding_key(subnet))
        transport.bind_queue(self._mailbox.queue, TO_DEBTORS, hex_key(debtor_id))
        transport.bind_queue(
            self._mailbox.queue,
            TO_COORDINATORS,
            "",
            {"x-match": "all", "coordinator-type": OTHER_COORDINATOR_TYPE},
        )

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way from us or to us, as far as we can know."""
        return (
            self.outgoing.is_empty
            and self.incoming.is_empty
            and not self.coordinator.records
            and self._transport.count_messages(self._mailbox.queue) == 0
        )

    def configure(self, creditor_id: int, *, config_data: str = "", negligible_amount: float = 0.0) -> None:
        """Ask for an account, or for another configuration of it."""
        account = self.accounts.setdefault(creditor_id, OwnAccount(self._debtor_id, creditor_id))
        self._send(
            [account.configure(self._clock(), config_data=config_data, negligible_amount=negligible_amount)]
        )

    def begin(self, transfer: Transfer) -> None:
        """Ask for a transfer."""
        self._send([self.coordinator.begin(transfer, self._clock())])

    def begin_straight(self, transfer: Transfer) -> None:
        """Ask for a transfer, past the careless postman."""
        message = self.coordinator.begin(transfer, self._clock())
        self.sent[message["type"]] += 1
        self._publish([message])

    def turn(self) -> None:
        """Read and answer what has arrived; wait a moment if there is nothing."""
        first = self._mailbox.take(_IDLE_SECONDS)
        if first is None:
            # Nothing follows that could overtake what is late.
            self._publish(self.outgoing.pass_all())
            self._handle(self.incoming.pass_all())
            return
        for delivery in (first, *self._mailbox.take_all()):
            self._handle(self.incoming.pass_on(self._received(delivery)))

    def repeat(self) -> None:
        """Send again what should have been answered by now."""
        now = self._clock()
        overdue = self.coordinator.repeat(now, _PATIENCE)
        for account in self.accounts.values():
            overdue += account.repeat(now, _PATIENCE)
        self.repeated += len(overdue)
        self._send(overdue)

    # -- the way out ---------------------------------------------------------------------------

    def _send(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.sent[message["type"]] += 1
            self._publish(self.outgoing.pass_on(message, may_be_lost=message["type"] in _MAY_BE_LOST))

    def _publish(self, messages: Iterable[Message]) -> None:
        for message in messages:
            is_taken = self._transport.publish(
                ACCOUNTS_IN,
                binary_key(message["debtor_id"], message["creditor_id"]),
                json.dumps(message, ensure_ascii=False).encode(),
                type=message["type"],
            )
            if not is_taken:
                self.unexpected.append(f"no queue takes {message['type']}")

    # -- the way in ----------------------------------------------------------------------------

    def _received(self, delivery: Delivery) -> Message:
        message: Message = json.loads(delivery.body)
        self.received[message["type"]] += 1
        if message["type"] == "PreparedTransfer":
            self.prepared.add((message["creditor_id"], message["transfer_id"]))
        elif message["type"] == "FinalizedTransfer":
            self.finalized[message["creditor_id"], message["transfer_id"]].add(delivery.body)
        return message

    def _handle(self, messages: Iterable[Message]) -> None:
        for message in messages:
            match message["type"]:
                case "PreparedTransfer":
                    self._send(self.coordinator.take_prepared(message, self._clock()))
                case "RejectedTransfer":
                    self.coordinator.take_rejected(message)
                case "FinalizedTransfer":
                    self.coordinator.take_finalized(message)
                case _:
                    self._handle_own(message)

    def _handle_own(self, message: Message) -> None:
        account = self.accounts.get(message["creditor_id"])
        if account is None or message["debtor_id"] != self._debtor_id:
            self.unexpected.append(f"{message['type']} for an account that nobody here has opened")
            return
        match message["type"]:
            case "AccountUpdate":
                account.take_update(message, self._clock())
            case "AccountTransfer":
                account.ledger.take(message)
            case "RejectedConfig":
                account.take_rejection(message)
            case other:
                self.unexpected.append(f"{other} for account {message['creditor_id']}")


def _binding_key(subnet: int) -> str:
    """Covers the creditors whose ids have the same upper 24 bits."""
    return ".".join(hex_key(subnet).split(".")[:3]) + ".#"
