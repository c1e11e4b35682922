"""The steps of a split of this shard, each of which can be repeated (rules.md#splitting-a-shard)."""

from collections.abc import Callable
from contextlib import closing
from typing import Final

import psycopg2
from psycopg2 import extensions, sql

from swpt_accounts.broker.amqp import administration
from swpt_accounts.operators.inspection.shards.split_view import NAME, Wanted
from swpt_accounts.rules.split import Doing, SplitView, Step
from swpt_accounts.runtime.errors import OperatorError, first_line, mask_secrets
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.storage import connections
from swpt_accounts.storage.shard_record import begin_split, close_split, narrow

from .orders import Order

# Where one connects to make another database.
_MAINTENANCE: Final = "postgres"
_PROMOTE_SECONDS: Final = 60


class Splitting:
    """Does the steps; `order` says who wants them."""

    def __init__(self, settings: Settings, wanted: Wanted, order: Order) -> None:
        self._settings = settings
        self._wanted = wanted
        self._order = order
        self._steps: Final[dict[Doing, Callable[[SplitView, Step], None]]] = {
            Doing.BEGIN: self._begin,
            Doing.CLOSE: self._close,
            Doing.COPY: self._copy,
            Doing.PROMOTE: self._promote,
            Doing.NARROW: self._narrow,
            Doing.DELETE_QUEUE: self._delete_queue,
        }

    def can(self, step: Step) -> bool:
        """Whether it is a step of ours, and not one of somebody else."""
        return step.doing in self._steps

    def do(self, view: SplitView, step: Step) -> None:
        """Do a step.  Raises OperatorError or BrokerProblem."""
        self._steps[step.doing](view, step)

    def reroute(self, view: SplitView) -> None:
        """Bind the queues of the children, then unbind that of the parent; idempotent.

        In this order, so that every message has a queue.  Whoever was interrupted between does it again.
        """
        url = self._settings.protocol_broker_url
        for child, queue in zip(view.children(), self._wanted.queues, strict=True):
            administration.declare(url, queue, child.binding_key)
        administration.remove_binding(url, view.queue, view.realm.binding_key)

    def _begin(self, view: SplitView, step: Step) -> None:
        with (
            connections.session(self._settings.postgres_url, NAME) as parent,
            parent,
            parent.cursor() as cursor,
        ):
            target = f"realm {view.realm.binding_key}"
            now = self._order.write_down(cursor, "split begin", target, " and ".join(self._wanted.queues))
            begin_split(cursor, *self._wanted.queues, now)
        self.reroute(view)

    def _close(self, view: SplitView, step: Step) -> None:
        with (
            connections.session(self._settings.postgres_url, NAME) as parent,
            parent,
            parent.cursor() as cursor,
        ):
            now = self._order.write_down(cursor, "split close", f"realm {view.realm.binding_key}")
            close_split(cursor, now)

    def _copy(self, view: SplitView, step: Step) -> None:
        assert step.side is not None, "a step of one child"
        names = [
            extensions.parse_dsn(connections.libpq_url(url)).get("dbname", "")
            for url in (self._wanted.urls[step.side], self._settings.postgres_url)
        ]
        dsn = extensions.make_dsn(connections.libpq_url(self._settings.postgres_url), dbname=_MAINTENANCE)
        text = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, names))
        try:
            with closing(psycopg2.connect(dsn, application_name=NAME)) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute(text)
        except psycopg2.Error as error:
            why = mask_secrets(first_line(error))
            raise OperatorError(f"the database of a child cannot be made: {why}") from None

    def _promote(self, view: SplitView, step: Step) -> None:
        assert step.side is not None, "a step of one child"
        with (
            connections.session(self._wanted.urls[step.side], NAME) as child,
            child,
            child.cursor() as cursor,
        ):
            cursor.execute("SELECT pg_promote(true, %s)", [_PROMOTE_SECONDS])
            if not cursor.fetchone()[0]:
                raise OperatorError(
                    f"the standby was not promoted within {_PROMOTE_SECONDS} s: look at its log"
                )

    def _narrow(self, view: SplitView, step: Step) -> None:
        assert step.side is not None, "a step of one child"
        child = view.children()[step.side]
        with connections.session(self._wanted.urls[step.side], NAME) as copy, copy, copy.cursor() as cursor:
            target = f"realm {view.realm.binding_key}"
            now = self._order.write_down(cursor, "split narrow", target, f"to {child.binding_key}")
            narrow(cursor, child, now)

    def _delete_queue(self, view: SplitView, step: Step) -> None:
        if not administration.delete_if_empty(self._settings.protocol_broker_url, view.queue):
            raise OperatorError(
                f"the queue {view.queue} holds messages, or somebody consumes it: what is in it belongs to"
                " the children, and has to be published to accounts_in again"
            )
