"""The composition root of the programs that talk to the broker: settings in, everything wired."""

from functools import partial
from logging import getLogger
from typing import Any, Final

import dramatiq
import psycopg2

from . import clock, db
from .account_memory import AccountMemory
from .actors import declare_actors
from .admission import make_admission
from .broker import BatchLimits, MemorySmpBroker, MemoryTransport, RabbitmqSmpBroker, SmpBroker
from .debtor_infos import DebtorInfos
from .errors import OperatorError
from .frugality import Frugality
from .gate import Gate
from .moments import seconds
from .outbox import Outbox, RetryDelays
from .partitions import make_partitions
from .policy import Policy
from .procedures import Bench
from .processing import Processor
from .server_record import keep_promises
from .settings import Settings
from .upkeep import Periods

# How long the rest may take at the end, when the batch at hand is done.
STOP_TIMEOUT_SECONDS: Final = 10.0

_logger: Final = getLogger(__name__)


def make_policy(settings: Settings) -> Policy:
    """The part of the settings that decides, in the units of the pure core."""
    return Policy(
        realm=settings.realm(),
        max_config_delay=seconds(settings.max_config_delay),
        rate_change_min_interval=seconds(settings.rate_change_min_interval),
        settings_max_age=seconds(settings.settings_max_age),
        commit_period_seconds=settings.commit_period,
        transfer_note_max_bytes=settings.transfer_note_max_bytes,
        max_prepared_transfers=settings.max_prepared_transfers,
        account_update_ttl_seconds=settings.account_update_ttl,
        account_update_delay=seconds(settings.account_update_delay),
        account_update_min_interval=seconds(settings.account_update_min_interval),
        credit_safe_age=seconds(settings.credit_safe_age),
    )


def make_periods(settings: Settings, policy: Policy) -> Periods:
    """The part of the settings that the periodic work decides by, in the units of the pure core.

    `policy` knows the commit period that the database has promised, which may be longer than the one set.
    """
    return Periods(
        heartbeat_interval=seconds(settings.heartbeat_interval),
        reminder_interval=seconds(settings.reminder_interval),
        capitalization_min_interval=seconds(settings.capitalization_min_interval),
        capitalization_min_ratio=settings.capitalization_min_ratio,
        deletion_min_age=seconds(settings.deletion_min_age),
        deletion_quiet_time=seconds(settings.max_config_delay),
        deletion_retry_interval=seconds(settings.deletion_retry_interval),
        deletion_dust_amount=settings.deletion_dust_amount,
        purge_delay=seconds(
            settings.internal_max_delay + policy.commit_period_seconds + settings.purge_extra_delay
        ),
        purge_min_age=seconds(settings.purge_min_age),
    )


def make_bench(
    settings: Settings, outbox: Outbox, infos: DebtorInfos, memory: AccountMemory, policy: Policy
) -> Bench:
    """What transactions of this process work with."""
    return Bench(
        policy=policy,
        infos=infos,
        memory=memory,
        publisher_key=outbox.publisher_key,
        queue=settings.protocol_broker_queue,
        dead_letter_max_open=settings.dead_letter_max_open,
        clock=clock.utcnow,
    )


def make_outbox(settings: Settings, broker: SmpBroker) -> Outbox:
    """The publishing side of a process, not started."""
    publisher = broker.make_publisher(
        internal_user=settings.internal_user, confirm_timeout=settings.publish_confirm_timeout
    )
    delays = RetryDelays(settings.outbox_retry_min_delay, settings.outbox_retry_max_delay)
    return Outbox(settings.postgres_url, publisher, delays, clock.utcnow)


def make_broker(
    settings: Settings, gate: Gate | None = None, transport: MemoryTransport | None = None
) -> SmpBroker:
    """The broker on RabbitMQ, not connected; or on a transport in this process, if one is given."""
    options: dict[str, Any] = {
        "decode": make_admission(settings.realm(), settings.internal_user),
        "prefetch_count": settings.protocol_broker_prefetch_count,
        "limits": BatchLimits(
            # More than the broker gives us at once never waits together.
            batch_messages=min(settings.worker_batch_max_messages, settings.protocol_broker_prefetch_count),
            batch_bytes=settings.worker_batch_max_bytes,
        ),
        "is_open": gate.is_open if gate is not None else lambda: True,
    }
    if transport is not None:
        return MemorySmpBroker(transport, **options)
    return RabbitmqSmpBroker(settings.protocol_broker_url, **options)


def make_gate(settings: Settings) -> Gate:
    """A gate that opens when the database answers."""

    def probe() -> bool:
        try:
            db.connect(settings.postgres_url, "swpt_accounts gate").close()
        except psycopg2.OperationalError:
            return False
        return True

    return Gate(probe)


class WorkerLifecycle(dramatiq.Middleware):
    """Starts and stops what a worker needs, in step with Dramatiq's own worker."""

    def __init__(self, settings: Settings, processor: Processor, outbox: Outbox) -> None:
        self._settings = settings
        self._processor = processor
        self._outbox = outbox

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Check the database before the first message is taken."""
        prepare_database(self._settings)
        self._outbox.start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Stop waiting for what may never come."""
        self._processor.stop()

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Publish what is committed, as far as the broker takes it."""
        self._outbox.stop(STOP_TIMEOUT_SECONDS)
        self._processor.close()
        broker.close()


def refuse_shards(settings: Settings) -> None:
    """Raises OperatorError if this is to be one shard of several."""
    # A shard would take transfers to recipients of other shards, and could not ask about them.
    if settings.realm().bits:
        raise OperatorError(
            f"PROTOCOL_BROKER_QUEUE_ROUTING_KEY={settings.protocol_broker_queue_routing_key}: this version "
            "can not be one of several shards yet: set it to #."
        )


def prepare_database(settings: Settings) -> None:
    """Check the tables, record promises, make partitions.  Raises OperatorError, or OperationalError."""
    refuse_shards(settings)
    if not db.is_migrated(settings.postgres_url):
        raise OperatorError(
            "the database lacks the tables of this version: run `swpt-accounts configure` first"
        )
    with db.session(settings.postgres_url, "swpt_accounts start") as connection:
        keep_promises(connection, settings)
        make_partitions(connection, clock.utcnow())


def equip_worker(settings: Settings, broker: SmpBroker, gate: Gate) -> Processor:
    """Put the actors and the life cycle of a worker on a broker."""
    outbox = make_outbox(settings, broker)
    infos = DebtorInfos()
    processor = Processor(
        settings.postgres_url,
        make_policy(settings),
        outbox,
        gate,
        partial(make_bench, settings, outbox, infos, AccountMemory()),
        settings.max_delivery_attempts,
    )
    broker.add_middleware(WorkerLifecycle(settings, processor, outbox))
    broker.add_middleware(Frugality())
    declare_actors(broker, settings.protocol_broker_queue, processor.process)
    return processor


def make_worker_broker(settings: Settings, transport: MemoryTransport | None = None) -> SmpBroker:
    """The broker of a worker process, ready for `dramatiq.Worker`; nothing is connected yet."""
    gate = make_gate(settings)
    broker = make_broker(settings, gate, transport)
    equip_worker(settings, broker, gate)
    return broker
