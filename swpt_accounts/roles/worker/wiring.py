"""How a worker is put together: broker, gate, processor, and what Dramatiq calls at start and stop."""

import gc
from functools import partial
from typing import TYPE_CHECKING, Final

import dramatiq

from swpt_accounts.actors import declare_actors
from swpt_accounts.broker import MemoryTransport, SmpBroker
from swpt_accounts.roles.composition import STOP_TIMEOUT_SECONDS, make_broker, make_outbox
from swpt_accounts.roles.gate import Gate
from swpt_accounts.rules.policy import Policy
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.storage.fitness import prepare_database
from swpt_accounts.storage.outbox.publishing import Outbox
from swpt_accounts.storage.trial import why_not
from swpt_accounts.transactions.account_memory import AccountMemory
from swpt_accounts.transactions.context import TransactionContext, make_context, make_policy
from swpt_accounts.transactions.debtor_infos import DebtorInfos
from swpt_accounts.transactions.reachable_memory import ReachableMemory

from .finishing import finish
from .processing import Processor, nothing_taken_along

if TYPE_CHECKING:
    from swpt_accounts.shards.waiting import WaitingRoom

# So many young objects are looked at together, every 20th time those that survived, and so on.
_THRESHOLDS: Final = (50_000, 20, 100)


def look_for_cycles_seldom() -> None:
    """Order the collector of this process to take its time."""
    gc.set_threshold(*_THRESHOLDS)


class Frugality(dramatiq.Middleware):
    """Has a worker do so."""

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Settle it for the whole process."""
        look_for_cycles_seldom()


def make_gate(settings: Settings) -> Gate:
    """A gate that opens when the database can do what a batch needs."""
    return Gate(partial(why_not, settings.postgres_url, "swpt_accounts gate"))


class WorkerLifecycle(dramatiq.Middleware):
    """Starts and stops what a worker needs, in step with Dramatiq's own worker."""

    def __init__(
        self, settings: Settings, processor: Processor, outbox: Outbox, room: "WaitingRoom | None" = None
    ) -> None:
        self._settings = settings
        self._room = room
        self._processor = processor
        self._outbox = outbox

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Check the database before the first message is taken."""
        prepare_database(self._settings)
        self._outbox.start()
        if self._room is not None:
            self._room.start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Stop waiting for what may never come."""
        self._processor.stop()

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Publish what is committed, as far as the broker takes it."""
        if self._room is not None:
            self._room.stop(STOP_TIMEOUT_SECONDS)
        self._outbox.stop(STOP_TIMEOUT_SECONDS)
        self._processor.close()
        broker.close()


def make_waiting_room(
    settings: Settings, broker: SmpBroker, policy: Policy, reachable_memory: ReachableMemory
) -> "WaitingRoom":
    """The room of requests that wait for other shards; it has connections of its own."""
    # Only a shard of several needs a client of HTTP.
    from swpt_accounts.shards.waiting import Asking, WaitingRoom

    assert settings.fetch_api_url is not None, "the settings of a shard are checked"
    outbox, infos, memory = make_outbox(settings, broker), DebtorInfos(), AccountMemory()

    def make_transaction_context(policy: Policy) -> TransactionContext:
        return make_context(settings, policy, outbox.publisher_key, infos=infos, memory=memory)

    return WaitingRoom(
        settings.postgres_url,
        policy,
        outbox,
        Asking(
            base_url=settings.fetch_api_url,
            timeout_seconds=settings.fetch_timeout,
            connections=settings.fetch_connections,
            retry_max_seconds=settings.fetch_retry_max_delay,
        ),
        make_transaction_context,
        reachable_memory,
        finish,
    )


def equip_worker(settings: Settings, broker: SmpBroker, gate: Gate) -> Processor:
    """Put the actors and the life cycle of a worker on a broker."""
    outbox = make_outbox(settings, broker)
    infos = DebtorInfos()
    memory = AccountMemory()
    reachable = ReachableMemory()
    policy = make_policy(settings)
    room = make_waiting_room(settings, broker, policy, reachable) if policy.realm.bits else None

    def make_transaction_context(policy: Policy) -> TransactionContext:
        # The key is another one after each new connection.
        key = outbox.publisher_key
        return make_context(settings, policy, key, infos=infos, memory=memory, reachable_memory=reachable)

    processor = Processor(
        settings.postgres_url,
        policy,
        outbox,
        gate,
        make_transaction_context,
        settings.max_delivery_attempts,
        ask=None if room is None else room.hand_over,
        taken_along=nothing_taken_along if room is None else room.taken_along,
    )
    broker.add_middleware(WorkerLifecycle(settings, processor, outbox, room))
    broker.add_middleware(Frugality())
    declare_actors(broker, settings.protocol_broker_queue, processor.process)
    return processor


def make_worker_broker(settings: Settings, transport: MemoryTransport | None = None) -> SmpBroker:
    """The broker of a worker process, ready for `dramatiq.Worker`; nothing is connected yet."""
    gate = make_gate(settings)
    broker = make_broker(settings, gate, transport)
    equip_worker(settings, broker, gate)
    return broker
