"""The tables of a server in memory: facts out, decisions in."""

from collections.abc import Iterable, Sequence

from swpt_accounts.rules.accounts import Account, is_reachable
from swpt_accounts.rules.book import Book
from swpt_accounts.rules.currency import Currency
from swpt_accounts.rules.facts import (
    AccountKey,
    Entry,
    Facts,
    RequestKey,
    TransferKey,
    account_key,
    request_key,
    transfer_key,
)
from swpt_accounts.rules.policy import Policy
from swpt_accounts.rules.root_config import settings_of
from swpt_accounts.rules.transfers import PreparedTransfer, parse_recipient
from swpt_accounts.wire.messages import FinalizeTransfer, Message, PrepareTransfer
from swpt_accounts.wire.numbers import ROOT_CREDITOR_ID
from swpt_client.moments import Moment


class Tables:
    """What a server keeps in its database, in dictionaries."""

    def __init__(self) -> None:
        self.accounts: dict[AccountKey, Account] = {}
        self.prepared: dict[TransferKey, PreparedTransfer] = {}
        self.currencies: dict[int, Currency] = {}
        self.journal: list[Entry] = []
        """All committed transfers, payments of the server's own included."""
        self._requests: dict[RequestKey, TransferKey] = {}

    def facts_of(self, messages: Sequence[Message], policy: Policy, now: Moment) -> Facts:
        """What the rules want to know for a batch of messages."""
        touched = set(map(account_key, messages))
        prepared: dict[TransferKey, PreparedTransfer] = {}
        asked = set()
        for message in messages:
            if isinstance(message, FinalizeTransfer):
                self._add(prepared, transfer_key(message))
            elif isinstance(message, PrepareTransfer):
                self._add(prepared, self._requests.get(request_key(message)))
                recipient = parse_recipient(message.recipient)
                if recipient is not None:
                    asked.add((message.debtor_id, recipient))
        touched |= {(one.debtor_id, one.recipient_creditor_id) for one in prepared.values()}
        # A batch may prepare and finalize the same transfer.
        touched |= asked
        return self._facts(touched, prepared, policy, now)

    def facts_about(self, key: AccountKey, policy: Policy, now: Moment) -> Facts:
        """What the rules want to know for the periodic work on an account."""
        facts = self._facts({key, (key[0], ROOT_CREDITOR_ID)}, {}, policy, now)
        account = self.accounts.get(key)
        if account is not None and (account.is_deleted or account.is_scheduled_for_deletion):
            awaited = (one for one in self.prepared.values() if one.deadline >= now)
            facts.incoming = {(one.debtor_id, one.recipient_creditor_id) for one in awaited}
        return facts

    def facts_about_transfer(self, key: TransferKey, policy: Policy, now: Moment) -> Facts:
        """What the rules want to know for the reminder of a prepared transfer."""
        return self._facts({key[:2]}, {key: self.prepared[key]}, policy, now)

    def _add(self, found: dict[TransferKey, PreparedTransfer], key: TransferKey | None) -> None:
        if key is not None and key in self.prepared:
            found[key] = self.prepared[key]

    def _facts(
        self,
        touched: Iterable[AccountKey],
        prepared: dict[TransferKey, PreparedTransfer],
        policy: Policy,
        now: Moment,
    ) -> Facts:
        accounts = {key: self.accounts[key] for key in touched if key in self.accounts}
        debtors = {debtor_id for debtor_id, _ in touched}
        return Facts(
            now=now,
            policy=policy,
            accounts=accounts,
            prepared=prepared,
            reachable={key for key, one in accounts.items() if is_reachable(one)},
            currencies={one: self.currencies[one] for one in debtors if one in self.currencies},
        )

    def store(self, book: Book) -> None:
        """Keep what a book has decided."""
        for key in book.purged_accounts:
            del self.accounts[key]
            if key[1] == ROOT_CREDITOR_ID:
                self.currencies.pop(key[0], None)
        for account in book.created_accounts():
            if account.is_root:
                self.currencies.setdefault(account.debtor_id, Currency())
            self.accounts[account_key(account)] = account
        for _, account in book.changed_accounts():
            self.accounts[account_key(account)] = account
        for debtor_id, config_data in book.root_configurations.items():
            self.currencies[debtor_id] = Currency(config_data, settings_of(config_data))
        for transfer in book.removed_transfers:
            del self._requests[request_key(self.prepared.pop(transfer))]
        for transfer, prepared in book.new_transfers.items():
            self.prepared[transfer] = prepared
            self._requests[request_key(prepared)] = transfer
        for transfer in book.reminded_transfers:
            self.prepared[transfer] = book.prepared[transfer]
        self.journal += book.entries
