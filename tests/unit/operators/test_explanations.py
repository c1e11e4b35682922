"""A refusal in sentences: what was asked, what there was, and what was missing."""

from typing import Any

import pytest

from swpt_accounts.operators.inspection.explanations import MEANINGS, explain, missing_amount
from swpt_accounts.operators.inspection.refusals import Refusal
from swpt_accounts.wire.moments import MICROSECONDS
from swpt_accounts.wire.moments import render_timestamp as moment
from tests.backstage.builders import ALICE, DEBTOR, NOW

MUCH = 2**63 - 1


def refusal(code, **numbers):
    """A refusal of a transfer with these numbers, and none besides."""
    fields: dict[str, Any] = dict.fromkeys(Refusal.__struct_fields__) | {
        "refused_at": NOW,
        "refusal_id": 1,
        "kind": "transfer",
        "code": code,
        "debtor_id": DEBTOR,
        "creditor_id": ALICE,
    }
    return Refusal(**(fields | numbers))


@pytest.mark.parametrize(
    "wanted, available, missing",
    [(500, 120, 380), (1, 0, 1), (1, -50, 1), (MUCH, 1, MUCH - 1), (MUCH, -MUCH, MUCH)],
)
def test_a_transfer_without_enough_money_tells_how_much_is_missing(wanted, available, missing):
    """Whoever has less than nothing lacks all that was wanted, and no more."""
    told = refusal(
        "INSUFFICIENT_AVAILABLE_AMOUNT",
        min_locked_amount=wanted,
        max_locked_amount=MUCH,
        available_amount=available,
        total_locked_amount=300,
    )
    assert missing_amount(told) == missing
    assert explain(told) == (
        f"At least {wanted:,} were wanted (at most {MUCH:,}), and {available:,} were available, beside 300"
        f" that were locked: {missing:,} were missing."
    )


@pytest.mark.parametrize("locked, available, missing", [(500, 0, 500), (900, 20, 80), (1000, -30, 30)])
def test_a_commit_without_enough_money_tells_how_much_is_missing(locked, available, missing):
    """What was locked for it counts as well."""
    told = refusal(
        "INSUFFICIENT_AVAILABLE_AMOUNT",
        kind="commit",
        committed_amount=1000,
        locked_amount=locked,
        available_amount=available,
    )
    assert missing_amount(told) == missing
    assert explain(told).endswith(f"beside it {available:,} were available: {missing:,} were missing.")


@pytest.mark.parametrize(
    "code, numbers, sentence",
    [
        (
            "NEWER_INTEREST_RATE",
            {"last_interest_rate_change_ts": NOW, "final_interest_rate_ts": NOW - MICROSECONDS},
            (
                f"The rate was changed at {moment(NOW)}; the request has agreed to changes until"
                f" {moment(NOW - MICROSECONDS)}."
            ),
        ),
        (
            "TIMEOUT",
            {"deadline": NOW - 1_500_000},
            f"The deadline was {moment(NOW - 1_500_000)}; the commit came 1.500 seconds later.",
        ),
        (
            "TOO_MANY_TRANSFERS",
            {"pending_transfers_count": 2000, "max_prepared_transfers": 2000},
            "2,000 transfers were prepared, and at most 2,000 may be.",
        ),
        (
            "TRANSFER_NOTE_IS_TOO_LONG",
            {"transfer_note_bytes": 500, "transfer_note_max_bytes": 400},
            "The note had 500 bytes, and at most 400 are allowed.",
        ),
        ("RECIPIENT_IS_UNREACHABLE", {"recipient": "x"}, "The recipient was 'x'."),
        ("SENDER_IS_UNREACHABLE", {"recipient": "1"}, f"There was no account {DEBTOR}/{ALICE}."),
    ],
)
def test_the_numbers_that_were_compared_are_told(code, numbers, sentence):
    """Each code has its own."""
    assert explain(refusal(code, **numbers)) == sentence


@pytest.mark.parametrize("code", sorted(MEANINGS))
def test_a_refusal_that_kept_no_numbers_has_no_sentence(code):
    """The version before wrote none; the meaning of the code is told all the same."""
    assert explain(refusal(code)) == ""
    assert missing_amount(refusal(code)) is None
