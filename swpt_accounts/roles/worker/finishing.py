"""After a commit: publishes, counts and logs what a transaction has done."""

from logging import ERROR, WARNING, getLogger
from typing import Final

from swpt_accounts.procedures import Applied
from swpt_accounts.runtime import metrics
from swpt_accounts.runtime.logs import about_account
from swpt_accounts.storage.outbox.publishing import Outbox
from swpt_accounts.transactions.new_dead_letters import ALARMING_REASONS

from .about import about_delivery

_WARNING: Final = (WARNING, "Dead letter, %s: %s (%d bytes from exchange %s)")
_ALARM: Final = (ERROR, "ALARM: dead letter, %s: %s (%d bytes from exchange %s)")

_logger: Final = getLogger(__name__)


def finish(applied: Applied, outbox: Outbox, received_at: float | None = None) -> None:
    """Publish, count and log what is committed.

    The first of the messages that it answers arrived at `received_at` by the monotonic clock.
    """
    if applied.stored is not None:
        outbox.hand_over(applied.stored, received_at=received_at)
    for name, number in applied.consumed.items():
        metrics.MESSAGES_CONSUMED.labels(name).inc(number)
    for labels, number in applied.ignored.items():
        metrics.MESSAGES_IGNORED.labels(*labels).inc(number)
    for code, number in applied.rejections.items():
        metrics.REJECTIONS.labels(code).inc(number)
    for alarm in applied.alarms:
        _logger.error("ALARM: %s", alarm, extra=about_account(alarm.account))
    if applied.overflows:
        metrics.PRINCIPAL_OVERFLOW.inc(applied.overflows)
    if applied.future_configs:
        metrics.FUTURE_CONFIG.inc(applied.future_configs)
    for delivery, reason, detail in applied.dead_letters:
        metrics.DEAD_LETTERS.labels(reason).inc()
        level, words = _ALARM if reason in ALARMING_REASONS else _WARNING
        _logger.log(
            level,
            words,
            reason,
            detail,
            delivery.body_size,
            delivery.exchange,
            extra=about_delivery(delivery),
        )
