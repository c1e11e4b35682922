"""What the server says of an account: the latest state, its age, and its balance."""

from enum import Enum

from msgspec.structs import replace

from .configuration import is_later
from .formulas import balance_at
from .limits import ROOT_CREDITOR_ID
from .messages import AccountUpdate
from .moments import SECOND, Moment, later_by
from .records import Account, AccountData


class News(Enum):
    """What an AccountUpdate is to us, in the order in which it is asked."""

    EXPIRED = "expired"
    OF_A_FORMER_ACCOUNT = "of a former account"
    KNOWN = "known"
    LATER = "later"


def judge(data: AccountData | None, update: AccountUpdate, now: Moment) -> News:
    """Compare an update with what is known."""
    if is_expired(update, now):
        return News.EXPIRED
    if data is None:
        return News.LATER
    if update.creation_date < data.creation_date:
        return News.OF_A_FORMER_ACCOUNT
    if update.creation_date > data.creation_date:
        return News.LATER
    known = data.last_change_ts, data.last_change_seqnum
    return News.LATER if is_later(update.last_change_ts, update.last_change_seqnum, *known) else News.KNOWN


def is_expired(update: AccountUpdate, now: Moment) -> bool:
    """Whether the time to live of an update is over."""
    return now - update.ts > update.ttl * SECOND


def heard(data: AccountData, update: AccountUpdate, now: Moment) -> AccountData:
    """The heartbeat moves, cut to now: a server's clock may be wrong."""
    heartbeat = max(data.last_heartbeat_ts, min(update.ts, now))
    return data if heartbeat == data.last_heartbeat_ts else replace(data, last_heartbeat_ts=heartbeat)


def taken(data: AccountData | None, update: AccountUpdate, now: Moment) -> AccountData:
    """All fields of a later update."""
    heartbeat = min(update.ts, now)
    if data is not None:
        heartbeat = max(heartbeat, data.last_heartbeat_ts)
    return AccountData(
        creation_date=update.creation_date,
        last_change_ts=update.last_change_ts,
        last_change_seqnum=update.last_change_seqnum,
        principal=update.principal,
        interest=update.interest,
        interest_rate=update.interest_rate,
        last_interest_rate_change_ts=update.last_interest_rate_change_ts,
        last_config_ts=update.last_config_ts,
        last_config_seqnum=update.last_config_seqnum,
        account_id=update.account_id,
        debtor_info_iri=update.debtor_info_iri,
        debtor_info_content_type=update.debtor_info_content_type,
        debtor_info_sha256=update.debtor_info_sha256,
        last_transfer_number=update.last_transfer_number,
        last_transfer_committed_at=update.last_transfer_committed_at,
        demurrage_rate=update.demurrage_rate,
        commit_period=update.commit_period,
        transfer_note_max_bytes=update.transfer_note_max_bytes,
        last_heartbeat_ts=heartbeat,
    )


def silent_at(account: Account, patience: int) -> Moment | None:
    """When the silence of the server about an account is news (again)."""
    if account.data is None:
        return None
    since = account.data.last_heartbeat_ts
    if account.silence_told_at is not None:
        since = max(since, account.silence_told_at)
    return later_by(since, patience)


def balance(account: Account, at: Moment) -> float:
    """The balance of an account at a moment, interest included; 0.0 if there is none at the server."""
    data = account.data
    if data is None:
        return 0.0
    return balance_at(
        data.principal,
        data.interest,
        data.interest_rate,
        data.last_change_ts,
        at,
        is_root=account.key.creditor_id == ROOT_CREDITOR_ID,
    )
