"""What happens in the demonstration: the currency, its accounts, and the transfers, from a seed."""

import json
from hashlib import sha256
from itertools import count, cycle, islice
from random import Random
from typing import Final

from swpt_accounts.wire.codes import CT_AGENT, CT_DIRECT, CT_ISSUING
from swpt_accounts.wire.numbers import MAX_INT64, ROOT_CREDITOR_ID

from .client import OTHER_COORDINATOR_TYPE
from .transfers import RequestKey, Transfer, Wish

DEBTOR_ID: Final = 1001
SUBNET: Final = 0x0000_0100_0000_0000
"""The upper 24 bits of the ids of all creditors."""
EARLY_CREDITORS: Final = range(SUBNET + 1, SUBNET + 5)
"""They open their accounts before the currency is configured."""
CREDITORS: Final = range(SUBNET + 1, SUBNET + 25)
NOBODY: Final = SUBNET + 999
AGENT_ID: Final = SUBNET + 500
OTHER_COORDINATOR_ID: Final = 77

INTEREST_RATE: Final = 12.5
ISSUING_LIMIT: Final = 50_000_000
ISSUED_TO_EACH: Final = 1_000_000
MORE_THAN_THERE_IS: Final = 2 * ISSUING_LIMIT
HIGHEST_AMOUNT: Final = 50_000
INFO_IRI: Final = "https://example.com/demonstration-currency"

_WISHES: Final = (
    *(Wish.COMMIT, Wish.DISMISS, Wish.LOCK_TOO_MUCH, Wish.COMMIT_TOO_MUCH, Wish.PAY_NOBODY),
    *(Wish.COMMIT, Wish.COMMIT, Wish.DISMISS, Wish.COMMIT, Wish.LOCK_TOO_MUCH),
    *(Wish.COMMIT, Wish.COMMIT, Wish.COMMIT, Wish.COMMIT, Wish.COMMIT),
    *(Wish.COMMIT, Wish.DISMISS, Wish.COMMIT, Wish.COMMIT, Wish.COMMIT),
)


def root_configuration(interest_rate: float = INTEREST_RATE) -> str:
    """The RootConfigData of the currency."""
    return json.dumps(
        {
            "type": "RootConfigData",
            "rate": interest_rate,
            "limit": ISSUING_LIMIT,
            "info": {
                "type": "DebtorInfo",
                "iri": INFO_IRI,
                "contentType": "text/plain",
                "sha256": sha256(b"Money that exists for a few seconds.").hexdigest().upper(),
            },
        }
    )


class Planner:
    """Draws transfers; the same seed gives the same ones."""

    def __init__(self, seed: str) -> None:
        self._chance = Random(f"{seed} plan")  # noqa: S311 - repeatable, and keeps no secret
        self._request_ids = count(1)

    def issue(self, recipient_id: int, amount: int, wish: Wish = Wish.COMMIT) -> Transfer:
        """New money for an account."""
        return self._transfer(CT_ISSUING, ROOT_CREDITOR_ID, recipient_id, wish, amount, amount, amount)

    def ask_for_locks(self, creditor_id: int) -> Transfer:
        """A request that no account can grant, whose refusal says how much is locked."""
        kind = CT_ISSUING if creditor_id == ROOT_CREDITOR_ID else CT_DIRECT
        recipient_id = CREDITORS[0] if creditor_id != CREDITORS[0] else CREDITORS[1]
        return self._transfer(
            kind, creditor_id, recipient_id, Wish.LOCK_TOO_MUCH, MAX_INT64, MAX_INT64, MAX_INT64
        )

    def draw(self, number: int) -> list[Transfer]:
        """Transfers of all kinds, in random order."""
        wishes = list(islice(cycle(_WISHES), number))
        self._chance.shuffle(wishes)
        return [self._draw_one(wish) for wish in wishes]

    def _draw_one(self, wish: Wish) -> Transfer:
        sender_id, recipient_id = self._chance.sample(CREDITORS, 2)
        amount = self._chance.randint(1, HIGHEST_AMOUNT)
        kind = self._chance.choice([CT_DIRECT, CT_DIRECT, CT_AGENT, OTHER_COORDINATOR_TYPE])
        match wish:
            case Wish.LOCK_TOO_MUCH:
                least = most = MORE_THAN_THERE_IS
            case Wish.COMMIT_TOO_MUCH:
                amount, least, most = MORE_THAN_THERE_IS, 0, amount
            case Wish.PAY_NOBODY:
                # Nothing would be announced to an agent, because it answers for its own creditors.
                kind, recipient_id, least, most = CT_DIRECT, NOBODY, 0, amount
            case Wish.DISMISS:
                least, most = 0, amount
            case Wish.COMMIT:
                # Wallets lock nothing and commit at once; others want to be sure.
                least = most = self._chance.choice([0, amount])
                if kind != CT_AGENT and self._chance.random() < 0.05:
                    recipient_id = ROOT_CREDITOR_ID  # back to the issuer
        return self._transfer(kind, sender_id, recipient_id, wish, amount, least, most)

    def _transfer(
        self, kind: str, sender_id: int, recipient_id: int, wish: Wish, amount: int, least: int, most: int
    ) -> Transfer:
        coordinator_id = {CT_ISSUING: DEBTOR_ID, CT_AGENT: AGENT_ID, CT_DIRECT: sender_id}.get(
            kind, OTHER_COORDINATOR_ID
        )
        return Transfer(
            key=RequestKey(kind, coordinator_id, next(self._request_ids)),
            debtor_id=DEBTOR_ID,
            creditor_id=sender_id,
            recipient_id=recipient_id,
            wish=wish,
            amount=amount,
            min_locked=least,
            max_locked=most,
        )
