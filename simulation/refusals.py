"""Whom the server calls unreachable, and whether it may: what it could see while it was asked.

After each commit somebody looks which accounts can pay and be paid.  So from the moment at which a request
has come for the first time to that at which its answer leaves, all is known of both accounts: who says no
must have had a reason at one of these moments, on whatever shard the account is.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from re import compile as pattern
from typing import Final

from swpt_accounts.events import RejectedTransfer
from swpt_accounts.rules.facts import AccountKey, RequestKey
from swpt_accounts.wire.codes import RECIPIENT_IS_UNREACHABLE, SENDER_IS_UNREACHABLE
from swpt_accounts.wire.messages import PrepareTransfer
from swpt_accounts.wire.routing import Realm
from swpt_client.limits import ROOT_CREDITOR_ID

from .database import Database

_ACCOUNTS: Final = "SELECT debtor_id, creditor_id, config_flags & 1 FROM account WHERE NOT deleted"

_IDENTIFIER: Final = pattern(r"(?a:0|[1-9][0-9]{0,19})")


class Lately(dict[AccountKey, int]):
    """Accounts that have something, each with the step since which it has it without a pause."""

    def see(self, realm: Realm, found: Iterable[AccountKey], step: int) -> None:
        """Those of a realm that have it now."""
        now = {key for key in found if realm.owns(*key)}
        for key in [key for key in self if realm.owns(*key) and key not in now]:
            del self[key]
        for key in now:
            self.setdefault(key, step)

    def has_had(self, key: AccountKey, since: int) -> bool:
        """Whether an account had it at every moment since a step."""
        return key in self and self[key] < since


class Refusals:
    """Knows what the server could see, and judges what it says."""

    def __init__(self) -> None:
        self._senders, self._recipients = Lately(), Lately()
        self._asked: dict[RequestKey, dict[PrepareTransfer, int]] = defaultdict(dict)
        """What was asked under a key, each with the step at which it came first."""
        self._reasons: Final = {
            RECIPIENT_IS_UNREACHABLE: self._may_miss_recipient,
            SENDER_IS_UNREACHABLE: self._may_miss_sender,
        }
        self.counts: Counter[str] = Counter()

    def look(self, database: Database, realm: Realm, step: int) -> None:
        """Something was committed on the shard of a realm."""
        rows = database.rows(_ACCOUNTS)
        self._senders.see(realm, [(debtor_id, creditor_id) for debtor_id, creditor_id, _ in rows], step)
        open_to_all = [(debtor_id, creditor_id) for debtor_id, creditor_id, closing in rows if not closing]
        self._recipients.see(realm, open_to_all, step)

    def ask(self, key: RequestKey, request: PrepareTransfer, step: int) -> None:
        """A request has come to a shard, perhaps not for the first time."""
        self._asked[key].setdefault(request, step)

    def judge(self, key: RequestKey, answer: RejectedTransfer) -> None:
        """An answer leaves.  Raises AssertionError if it could not be known to be true."""
        may = self._reasons.get(answer.status_code)
        if may is not None:
            self.counts[f"no, {answer.status_code}"] += 1
            asked = self._asked[key].items()
            is_right = any(may(request, since) for request, since in asked)
            assert is_right, f"a wrong no: {answer.status_code} to {[request for request, _ in asked]}"

    def _may_miss_recipient(self, request: PrepareTransfer, since: int) -> bool:
        """P3, P4 and P6; of the kind that P6 is about nobody sends any here."""
        if _IDENTIFIER.fullmatch(request.recipient) is None or int(request.recipient) >= 2**64:
            return True
        number = int(request.recipient)
        creditor_id = number if number < 2**63 else number - 2**64
        if request.coordinator_type == "agent":
            return True
        if creditor_id == ROOT_CREDITOR_ID:
            return False
        return not self._recipients.has_had((request.debtor_id, creditor_id), since)

    def _may_miss_sender(self, request: PrepareTransfer, since: int) -> bool:
        """P5."""
        return not self._senders.has_had((request.debtor_id, request.creditor_id), since)
