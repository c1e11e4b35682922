"""What each input does to the record of an account."""

from msgspec.structs import replace

from . import configuration, ledger, pace
from .account import News as Kind
from .account import heard, is_expired, judge, silent_at, taken
from .checks import configure_fault
from .configuration import Verdict
from .desk import Desk
from .inputs import CloseTail, Configure, Refusal
from .ledger import Assembly
from .messages import AccountPurge, AccountTransfer, AccountUpdate, RejectedConfig
from .moments import Moment
from .news import AccountClosed, ConfigEffectual, ConfigRejected, Silent, Surprise
from .policy import UnknownAccounts
from .records import Account, AccountKey, Configuration, ConfigurationState, Ledger
from .step import Outgoing, not_found, refuse

# --- calls --------------------------------------------------------------------------------------


def configure(desk: Desk, call: Configure) -> Refusal | None:
    """Want something of an account."""
    fault = configure_fault(call, desk.policy)
    if fault is not None:
        return refuse("BAD_FIELD", call.key, fault=fault)
    record = desk.account(call.key)
    wanted = configuration.configure(None if record is None else record.configuration, call, desk.now)
    if record is None:
        record = Account(key=call.key, configuration=wanted)
    desk.accounts[call.key] = replace(record, configuration=wanted)
    return None


def close_tail(desk: Desk, call: CloseTail) -> Refusal | None:
    """Bring a ledger to what the server has told."""
    record = desk.account(call.key)
    if record is None:
        return not_found(call.key, "account of ours")
    assembly = desk.assembly(record)
    if assembly is not None:
        ledger.force_all(assembly, desk.now)
        ledger.close_tail(assembly, record.data, desk.now)
        ledger.compare(assembly, record.data, desk.now)
    return None


# --- messages -----------------------------------------------------------------------------------


def account_update(desk: Desk, update: AccountUpdate) -> None:
    """AccountUpdate: the data first; only what is later reaches the configuration and the ledger."""
    key = AccountKey(update.debtor_id, update.creditor_id)
    record = desk.account(key)
    if record is None:
        _unknown(desk, key, update)
        return
    kind = judge(record.data, update, desk.now)
    if kind in (Kind.EXPIRED, Kind.OF_A_FORMER_ACCOUNT):
        desk.ignore(f"AccountUpdate, {kind.value}")
        return
    if kind is Kind.KNOWN:
        assert record.data is not None
        data = heard(record.data, update, desk.now)
        if data is record.data:
            desk.ignore("AccountUpdate, known")
        else:
            desk.accounts[key] = replace(record, data=data)
        return
    record = replace(record, data=taken(record.data, update, desk.now))
    shown, verdict = configuration.shown(record.configuration, update, desk.timers, desk.now)
    record = replace(record, configuration=shown)
    desk.accounts[key] = record
    _follow(desk, record, update)
    if verdict is Verdict.EFFECTUAL:
        desk.result.news.append(ConfigEffectual(account=record))
    elif verdict is Verdict.CONTENDED:
        desk.result.news.append(Surprise(kind="CONFIGURED", key=key, message=update))


def _follow(desk: Desk, record: Account, update: AccountUpdate) -> None:
    """The ledger begins anew with a new account; else it may be behind."""
    ledger.compare(_ledger_for(desk, record, update), record.data, desk.now)


def _ledger_for(desk: Desk, record: Account, message: AccountUpdate | AccountTransfer) -> Assembly:
    """The ledger of the creation date: a new one, if there is none, or one of an earlier date."""
    known = desk.assembly(record)
    if known is not None:
        if known.creation_date >= message.creation_date:
            return known
        ledger.force_all(known, desk.now)
        desk.end_ledger(known)
    fresh = ledger.opened(record.key, Ledger(creation_date=message.creation_date), None)
    desk.assemblies[record.key] = fresh
    return fresh


def _unknown(desk: Desk, key: AccountKey, update: AccountUpdate) -> None:
    """The server keeps an account for us of which we know nothing."""
    if is_expired(update, desk.now):
        desk.ignore("AccountUpdate, expired")
        return
    choice = desk.policy.unknown_accounts
    if choice is UnknownAccounts.ADOPT:
        adopted = configuration.adopt(update, desk.now)
        record = Account(key=key, configuration=adopted, data=taken(None, update, desk.now))
        desk.accounts[key] = record
        _follow(desk, record, update)
        desk.result.news.append(ConfigEffectual(account=record))
    elif choice is UnknownAccounts.REPORT:
        desk.result.news.append(Surprise(kind="UNKNOWN_ACCOUNT", key=key, message=update))
    else:
        message = configuration.closing_message(update, desk.now)
        if message is not None:
            desk.result.outgoing.append(Outgoing(message))


def account_purge(desk: Desk, purge: AccountPurge) -> None:
    """AccountPurge: as far as is known, there is no account at the server any more."""
    key = AccountKey(purge.debtor_id, purge.creditor_id)
    record = desk.account(key)
    if record is None:
        desk.ignore("AccountPurge, no record")
        return
    if record.data is not None and purge.creation_date < record.data.creation_date:
        desk.ignore("AccountPurge, of a former account")
        return
    wanted = configuration.purged(record.configuration, desk.now)
    desk.accounts[key] = record = replace(record, data=None, configuration=wanted)
    assembly = desk.assembly(record)
    if assembly is not None:
        ledger.compare(assembly, None, desk.now)
    if wanted.state is ConfigurationState.CLOSED and wanted.closed_at == desk.now:
        desk.result.news.append(AccountClosed(key=key, creation_date=purge.creation_date))


def rejected_config(desk: Desk, message: RejectedConfig) -> None:
    """RejectedConfig: only if it fits what we want, exactly."""
    key = AccountKey(message.debtor_id, message.creditor_id)
    record = desk.account(key)
    wanted = None if record is None else configuration.rejected(record.configuration, message, desk.now)
    if record is None or wanted is None:
        desk.ignore("RejectedConfig, does not fit")
        return
    desk.accounts[key] = record = replace(record, configuration=wanted)
    desk.result.news.append(ConfigRejected(account=record))


def account_transfer(desk: Desk, message: AccountTransfer) -> None:
    """AccountTransfer: into the ledger of its creation date."""
    record = desk.account(AccountKey(message.debtor_id, message.creditor_id))
    if record is None:
        desk.ignore("AccountTransfer, no record")
        return
    assembly = _ledger_for(desk, record, message)
    if message.creation_date < assembly.creation_date:
        desk.ignore("AccountTransfer, of a former account")
    elif ledger.arrive(assembly, message, desk.now):
        ledger.compare(assembly, record.data, desk.now)
    else:
        desk.ignore("AccountTransfer, known")


# --- time ---------------------------------------------------------------------------------------


def sent(desk: Desk, key: AccountKey, copy: int, at: Moment) -> None:
    """The broker has a configuration."""
    record = desk.account(key)
    if record is not None:
        _put_configuration(desk, record, configuration.sent(record.configuration, copy, min(at, desk.now)))


def due(desk: Desk, key: AccountKey) -> None:
    """What time does to an account."""
    record = desk.account(key)
    if record is None or not pace.is_past(record.due_at, desk.now):
        return
    wanted = record.configuration
    forget_at = configuration.due_at(wanted, desk.timers, 1.0)
    if wanted.state is ConfigurationState.CLOSED and pace.is_past(forget_at, desk.now):
        desk.accounts[key] = None
        desk.assemblies.pop(key, None)
        return
    desk.accounts[key] = record
    record = _worry(desk, record)
    record = _put_configuration(desk, record, configuration.due(record.configuration, desk.timers, desk.now))
    _due_ledger(desk, record)


def _put_configuration(desk: Desk, record: Account, wanted: Configuration) -> Account:
    if wanted is record.configuration:
        return record
    desk.accounts[record.key] = record = replace(record, configuration=wanted)
    return record


def _worry(desk: Desk, record: Account) -> Account:
    """Tell that nothing is heard: of a configuration for a day, of an account for weeks."""
    wanted, now = record.configuration, desk.now
    if wanted.state is ConfigurationState.SENT:
        if not pace.is_past(pace.worry_at(wanted.pace, desk.timers.worry_after), now):
            return record
        since = wanted.pace.began_at
        desk.result.news.append(Silent(subject="configuration", key=record.key, since=since))
        worried = replace(wanted.pace, has_worried=True)
        return _put_configuration(desk, record, replace(wanted, pace=worried))
    if wanted.state is not ConfigurationState.EFFECTUAL or record.data is None:
        return record
    if not pace.is_past(silent_at(record, desk.timers.silence), now):
        return record
    since = record.data.last_heartbeat_ts
    desk.result.news.append(Silent(subject="account", key=record.key, since=since))
    record = replace(record, silence_told_at=now)
    return _put_configuration(desk, record, configuration.renew(wanted, now))


def _due_ledger(desk: Desk, record: Account) -> None:
    """Close what has waited too long, and tell that something is missing."""
    if not pace.is_past(ledger.due_at(record.ledger, record.data, desk.timers), desk.now):
        return
    assembly = desk.assembly(record)
    if assembly is None:
        return
    while pace.is_past(ledger.gap_ends_at(ledger.closed(assembly), desk.timers), desk.now):
        ledger.force(assembly, desk.now)
        ledger.compare(assembly, record.data, desk.now)
    if pace.is_past(ledger.tail_ends_at(ledger.closed(assembly), record.data, desk.timers), desk.now):
        ledger.close_tail(assembly, record.data, desk.now)
    since = assembly.behind_since
    if since is None or assembly.has_worried:
        return
    if ledger.is_behind(ledger.closed(assembly), desk.timers.behind, desk.now):
        assembly.has_worried = True
        desk.result.news.append(Silent(subject="ledger", key=record.key, since=since))
