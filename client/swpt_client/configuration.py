"""What we want of an account, and whether the server has it."""

from enum import Enum
from typing import Final

from msgspec.structs import replace

from . import pace
from .formulas import is_about
from .inputs import Configure
from .limits import AMOUNT_TOLERANCE, HUGE_AMOUNT, SCHEDULED_FOR_DELETION, is_later_number, next_number
from .messages import AccountUpdate, ConfigureAccount, RejectedConfig
from .moments import DAY, Moment, later_by
from .policy import Timers
from .records import AccountKey, Configuration, ConfigurationState

SENT: Final = ConfigurationState.SENT
EFFECTUAL: Final = ConfigurationState.EFFECTUAL
REJECTED: Final = ConfigurationState.REJECTED
CLOSING: Final = ConfigurationState.CLOSING
CLOSED: Final = ConfigurationState.CLOSED


class Verdict(Enum):
    """What a message of the server says about the configuration that we want."""

    NOTHING = "nothing"
    EFFECTUAL = "effectual"
    CONTENDED = "contended"
    """Somebody else configures the account."""


def is_closing(configuration: Configuration) -> bool:
    """Whether the account is wanted no more."""
    return bool(configuration.config_flags & SCHEDULED_FOR_DELETION)


def is_later(ts: Moment, seqnum: int, than_ts: Moment, than_seqnum: int) -> bool:
    """Whether one order key is later than another."""
    if ts != than_ts:
        return ts > than_ts
    return is_later_number(seqnum, than_seqnum)


def message_of(key: AccountKey, configuration: Configuration) -> ConfigureAccount:
    """The whole configuration, as it is sent every time."""
    return ConfigureAccount(
        debtor_id=key.debtor_id,
        creditor_id=key.creditor_id,
        negligible_amount=configuration.negligible_amount,
        config_flags=configuration.config_flags,
        config_data=configuration.config_data,
        ts=configuration.last_ts,
        seqnum=configuration.last_seqnum,
    )


def closing_message(update: AccountUpdate, now: Moment) -> ConfigureAccount | None:
    """Schedule an unwanted account for deletion; None if it shows that this has been done."""
    if update.config_flags & SCHEDULED_FOR_DELETION and update.negligible_amount >= HUGE_AMOUNT:
        return None
    return ConfigureAccount(
        debtor_id=update.debtor_id,
        creditor_id=update.creditor_id,
        negligible_amount=HUGE_AMOUNT,
        config_flags=SCHEDULED_FOR_DELETION,
        config_data="",
        ts=max(now, update.last_config_ts),
        seqnum=next_number(update.last_config_seqnum),
    )


def adopt(update: AccountUpdate, now: Moment) -> Configuration:
    """Want what the server shows."""
    closing = update.config_flags & SCHEDULED_FOR_DELETION
    return Configuration(
        state=CLOSING if closing else EFFECTUAL,
        last_ts=update.last_config_ts,
        last_seqnum=update.last_config_seqnum,
        config_flags=update.config_flags,
        negligible_amount=update.negligible_amount,
        config_data=update.config_data,
        pace=pace.silent(now),
    )


def configure(configuration: Configuration | None, call: Configure, now: Moment) -> Configuration:
    """Want something new: a new order key, in every state."""
    return Configuration(
        state=SENT,
        last_ts=now if configuration is None else max(now, configuration.last_ts),
        last_seqnum=0 if configuration is None else next_number(configuration.last_seqnum),
        config_flags=call.config_flags,
        negligible_amount=call.negligible_amount,
        config_data=call.config_data,
        pace=pace.begin(now, None if configuration is None else configuration.pace),
        renewed_at=None if configuration is None else configuration.renewed_at,
    )


def renew(configuration: Configuration, now: Moment) -> Configuration:
    """Send the same configuration under a new order key, because the server does not have it."""
    return replace(
        configuration,
        state=SENT,
        last_ts=max(now, configuration.last_ts),
        last_seqnum=next_number(configuration.last_seqnum),
        pace=pace.begin(now, configuration.pace),
        renew_at=None,
        renewed_at=now,
        rejection_code="",
        closed_at=None,
    )


def _renew_at_most_every(configuration: Configuration, pause: int, now: Moment) -> Configuration:
    renewed_at = configuration.renewed_at
    # A clock that has stepped back must not stop it.
    if renewed_at is None or not 0 <= now - renewed_at < pause:
        return renew(configuration, now)
    waiting = (
        configuration
        if configuration.state is SENT
        else replace(configuration, state=SENT, pace=pace.quiet(now, configuration.pace))
    )
    return replace(waiting, renew_at=later_by(renewed_at, pause), rejection_code="", closed_at=None)


def shown(
    configuration: Configuration, update: AccountUpdate, timers: Timers, now: Moment
) -> tuple[Configuration, Verdict]:
    """The server shows a state of the account that is later than what was known."""
    ours = configuration.last_ts, configuration.last_seqnum
    theirs = update.last_config_ts, update.last_config_seqnum
    if theirs == ours and _is_what_we_want(configuration, update):
        if configuration.state not in (SENT, REJECTED):
            return configuration, Verdict.NOTHING
        state = CLOSING if is_closing(configuration) else EFFECTUAL
        done = pace.quiet(now, configuration.pace)
        shown_one = replace(configuration, state=state, pace=done, renew_at=None, rejection_code="")
        return shown_one, Verdict.EFFECTUAL
    if theirs == ours or is_later(*theirs, *ours):
        adopted = replace(configuration, last_ts=theirs[0], last_seqnum=theirs[1])
        return _renew_at_most_every(adopted, timers.contend_pause, now), Verdict.CONTENDED
    if configuration.state in (EFFECTUAL, CLOSING):
        return _renew_at_most_every(configuration, timers.renew_pause, now), Verdict.NOTHING
    return configuration, Verdict.NOTHING


def _is_what_we_want(configuration: Configuration, message: AccountUpdate | RejectedConfig) -> bool:
    return (
        message.config_flags == configuration.config_flags
        and message.config_data == configuration.config_data
        and is_about(message.negligible_amount, configuration.negligible_amount, AMOUNT_TOLERANCE)
    )


def rejected(configuration: Configuration, message: RejectedConfig, now: Moment) -> Configuration | None:
    """The server refuses a configuration; None if it is not the one that we want, or not any more."""
    if configuration.state not in (SENT, CLOSING):
        return None
    if (message.config_ts, message.config_seqnum) != (configuration.last_ts, configuration.last_seqnum):
        return None
    if not _is_what_we_want(configuration, message):
        return None
    return replace(
        configuration,
        state=REJECTED,
        rejection_code=message.rejection_code,
        pace=pace.quiet(now, configuration.pace),
        renew_at=None,
    )


def purged(configuration: Configuration, now: Moment) -> Configuration:
    """There is no account at the server any more."""
    if configuration.state in (SENT, CLOSED):
        return configuration
    if is_closing(configuration):
        return replace(configuration, state=CLOSED, closed_at=now, pace=pace.quiet(now, configuration.pace))
    return renew(configuration, now)


def sent(configuration: Configuration, copy: int, at: Moment) -> Configuration:
    """The broker has a copy."""
    confirmed = pace.confirm(configuration.pace, copy, at)
    return configuration if confirmed is configuration.pace else replace(configuration, pace=confirmed)


def due(configuration: Configuration, timers: Timers, now: Moment) -> Configuration:
    """A missing answer: the identical message for some minutes, then a new order key each time."""
    if configuration.state is not SENT:
        return configuration
    if configuration.renew_at is not None:
        return renew(configuration, now) if configuration.renew_at <= now else configuration
    if not pace.is_past(pace.repeat_at(configuration.pace, timers.configure_pauses), now):
        return configuration
    again = pace.repeat(configuration.pace)
    first = configuration.pace.first_confirmed_at
    is_fresh = first is not None and now - first < timers.identical_for
    if is_fresh and now - configuration.last_ts < DAY:
        return replace(configuration, pace=again)
    # An applied one would be ignored silently, and one that is a week old for ever.
    return replace(
        configuration,
        pace=again,
        last_ts=max(now, configuration.last_ts),
        last_seqnum=next_number(configuration.last_seqnum),
    )


def due_at(configuration: Configuration, timers: Timers, stretch: float) -> Moment | None:
    """When `due` has something to do, or the silence is news."""
    if configuration.state is CLOSED and configuration.closed_at is not None:
        return later_by(configuration.closed_at, timers.keep_closed)
    if configuration.state is not SENT:
        return None
    if configuration.renew_at is not None:
        return pace.earliest(configuration.renew_at, pace.worry_at(configuration.pace, timers.worry_after))
    return pace.speak_at(configuration.pace, timers.configure_pauses, timers.worry_after, stretch)
