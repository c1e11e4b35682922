"""The worker process: Dramatiq's worker on our broker, until SIGTERM or SIGINT."""

from typing import Final

import dramatiq

from swpt_accounts.broker import SmpBroker
from swpt_accounts.roles.stopping import stop_on_signals
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.storage.fitness import prepare_database

from .wiring import make_worker_broker

# One batch is out at a time, so a second thread would find nothing to do.
_THREADS: Final = 1
_TIMEOUT_MILLISECONDS: Final = 500
_STOP_MILLISECONDS: Final = 15_000


def run(settings: Settings) -> int:
    """Process messages until SIGTERM or SIGINT; finish the batch at hand, give back the rest.

    Raises OperatorError, psycopg2.OperationalError or BrokerProblem if the start fails.
    """
    stop = stop_on_signals()
    worker = start(settings, make_worker_broker(settings))
    stop.wait()
    # If the broker takes nothing, a thread may wait with a batch that is committed: what is left
    # of it is in the outbox, and its messages come again.
    worker.stop(timeout=_STOP_MILLISECONDS)
    return 0


def start(settings: Settings, broker: SmpBroker) -> dramatiq.Worker:
    """Start the threads that process what the broker (see `make_worker_broker`) delivers.

    Raises OperatorError, psycopg2.OperationalError or BrokerProblem if the start fails.
    """
    # Once more here than in the middleware, because Dramatiq swallows what a middleware raises.
    prepare_database(settings)
    # A wrong address or password is better reported once, by the end of the process, than every now
    # and then by the consumer.
    broker.count_messages(settings.protocol_broker_queue)
    worker = dramatiq.Worker(broker, worker_threads=_THREADS, worker_timeout=_TIMEOUT_MILLISECONDS)
    worker.start()
    return worker
