"""A book is opened on locked accounts, and closed only if it can be true."""

import msgspec
import pytest

from swpt_accounts.rules.accounts import new_account, replace
from swpt_accounts.transactions.books import close_book, open_book
from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import ALICE, BOB, DEBTOR, NOW, ROOT, request
from tests.backstage.stories import seed

KEY = (DEBTOR, ALICE)


def test_a_book_has_what_it_was_opened_on(stand):
    """Those accounts that exist, the currencies of all, and the prepared transfers that are asked for."""
    seed(stand)
    stand.apply(request(ALICE, BOB))
    alice = stand.account(ALICE)
    transfer_id = alice.last_transfer_id
    with stand.connection, stand.connection.cursor() as cursor:
        book = open_book(
            cursor, stand.context, [(DEBTOR, 99), KEY], transfers=[(*KEY, transfer_id), (*KEY, 1)]
        )
        nothing = open_book(cursor, stand.context, [KEY], debtor_ids=())
    assert (book.accounts, book.now, list(book.currencies)) == ({KEY: alice}, NOW, [DEBTOR])
    assert list(book.prepared) == [(*KEY, transfer_id)]
    assert (nothing.currencies, nothing.prepared) == ({}, {})


@pytest.mark.parametrize(
    "field",
    [
        "created_at",
        "last_change_ts",
        "last_transfer_number",
        "last_transfer_id",
        "last_interest_rate_change_ts",
    ],
)
def test_counters_that_go_back_are_not_stored(stand, field):
    """A bug that would give a number again is loud, and changes nothing."""
    seed(stand)
    before = stand.account(ALICE)
    with (
        pytest.raises(AssertionError, match=rf"\({DEBTOR}, {ALICE}\)"),
        stand.connection,
        stand.connection.cursor() as cursor,
    ):
        book = open_book(cursor, stand.context, [KEY])
        book.store(replace(before, **{field: getattr(before, field) - 1}))
        close_book(cursor, stand.context, book)
    assert stand.account(ALICE) == before


def test_an_account_of_another_shard_is_not_created(stand):
    """Whoever asks for it has the wrong shard; the account there would have two lives."""
    realm = Realm.parse("0.#")
    stand.replace(policy=msgspec.structs.replace(stand.context.policy, realm=realm))
    foreign = next(
        creditor_id for creditor_id in range(ROOT + 1, 1000) if not realm.owns(DEBTOR, creditor_id)
    )
    with (
        pytest.raises(AssertionError, match="accounts of other shards are theirs"),
        stand.connection,
        stand.connection.cursor() as cursor,
    ):
        book = open_book(cursor, stand.context, [])
        book.store(new_account(DEBTOR, foreign, NOW))
        close_book(cursor, stand.context, book)
    assert stand.count("account") == 0
