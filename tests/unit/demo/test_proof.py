"""The proof of the demonstration: it holds for an honest book, and fails for every dishonest one."""

from dataclasses import replace

import pytest

from swpt_accounts.demo.accounts import OwnAccount
from swpt_accounts.demo.proof import Evidence, prove
from swpt_accounts.demo.transfers import RequestKey, Status, Transfer, Wish

DEBTOR_ID, ALICE, BOB = 7, 101, 102
YEAR_LATER = "2027-11-21T16:00:00+00:00"  # 31557600 seconds
IRI = "https://example.com/"

REQUESTS = [
    # request, coordinator type, sender, recipient, wish, amount, outcome
    (1, "issuing", 0, ALICE, Wish.COMMIT, 1000, "OK"),
    (2, "direct", ALICE, BOB, Wish.COMMIT, 300, "OK"),
    (3, "direct", BOB, ALICE, Wish.DISMISS, 50, "dismissed"),
    (4, "direct", BOB, ALICE, Wish.LOCK_TOO_MUCH, 10**9, "INSUFFICIENT_AVAILABLE_AMOUNT"),
    (5, "direct", BOB, 999, Wish.PAY_NOBODY, 1, "RECIPIENT_IS_UNREACHABLE"),
    (6, "direct", BOB, 0, Wish.COMMIT, 100, "OK"),
]
BOOKED = {
    ALICE: [("issuing transfer 1", 1000, 1000), ("direct transfer 2", -300, 700)],
    BOB: [("direct transfer 2", 300, 300), ("direct transfer 6", -100, 200)],
}
PRINCIPALS = {0: -900, ALICE: 700, BOB: 200}


def transfer(number, kind, sender, recipient, wish, amount, outcome):
    """A finished transfer."""
    return Transfer(
        key=RequestKey(kind, sender or DEBTOR_ID, number),
        debtor_id=DEBTOR_ID,
        creditor_id=sender,
        recipient_id=recipient,
        wish=wish,
        amount=amount,
        status=Status.FINISHED,
        transfer_id=number,
        committed_amount=amount if outcome == "OK" else 0,
        outcome=outcome,
    )


def account_transfer(creditor_id, number, note, amount, principal):
    """An AccountTransfer, as far as ledgers look at it."""
    return {
        "creditor_id": creditor_id,
        "transfer_number": number,
        "previous_transfer_number": number - 1,
        "acquired_amount": amount,
        "principal": principal,
        "transfer_note": note,
        "committed_at": "2026-11-21T10:00:00+00:00",
    }


def account(creditor_id):
    """An account with its ledger and its state, a year after the last transfer."""
    found = OwnAccount(DEBTOR_ID, creditor_id)
    for number, entry in enumerate(BOOKED.get(creditor_id, []), start=1):
        found.ledger.take(account_transfer(creditor_id, number, *entry))
    found.state = {
        "principal": PRINCIPALS[creditor_id],
        "interest": 0.0 if creditor_id == 0 else PRINCIPALS[creditor_id] * 0.1,
        "interest_rate": 0.0 if creditor_id == 0 else 10.0,
        "debtor_info_iri": "" if creditor_id == 0 else IRI,
        "last_change_ts": YEAR_LATER,
        "last_transfer_number": found.ledger.last_transfer_number,
    }
    return found


def audit(creditor_id):
    """The refused request that shows that nothing is locked."""
    asked = transfer(
        10, "direct", creditor_id, 1, Wish.LOCK_TOO_MUCH, 2**63 - 1, "INSUFFICIENT_AVAILABLE_AMOUNT"
    )
    asked.total_locked_amount = 0
    return asked


@pytest.fixture
def evidence():
    """What an honest server leaves in the book."""
    settled = {(0, 1), (ALICE, 2), (BOB, 3), (BOB, 6)}
    return Evidence(
        accounts={creditor_id: account(creditor_id) for creditor_id in PRINCIPALS},
        transfers=[transfer(*request) for request in REQUESTS],
        audits=[audit(creditor_id) for creditor_id in PRINCIPALS],
        prepared=settled,
        finalized={key: {b"the only one"} for key in settled},
        interest_rate=10.0,
        debtor_info_iri=IRI,
        left={"the queue": 0, "the outbox": 0},
        unexpected=[],
    )


def failed(evidence):
    """The claims that are not proved."""
    return [finding.claim for finding in prove(evidence) if not finding.is_proved]


def test_an_honest_book_is_proved(evidence):
    """All claims hold, if everything is as the protocol says."""
    assert failed(evidence) == []
    assert len(prove(evidence)) == 11


def test_nothing_is_proved_by_nothing():
    """Without accounts, transfers and messages almost no claim is true."""
    empty = Evidence(
        accounts={},
        transfers=[],
        audits=[],
        prepared=set(),
        finalized={},
        interest_rate=10.0,
        debtor_info_iri=IRI,
        left={},
        unexpected=[],
    )
    assert len(failed(empty)) == 10


def set_state(creditor_id, field, value):
    """A dishonest AccountUpdate."""

    def change(evidence):
        evidence.accounts[creditor_id].state[field] = value

    return change


def forge_entries(creditor_id, forge):
    """A dishonest ledger: `forge` gets the list of its entries."""
    return lambda evidence: forge(evidence.accounts[creditor_id].ledger.entries)


def end_with(number, outcome):
    """Another outcome of the transfer."""

    def change(evidence):
        evidence.transfers[number - 1].outcome = outcome

    return change


def announce_two_more_for_bob(evidence):
    """Money that nobody has sent, in a chain that is otherwise in order."""
    bob = evidence.accounts[BOB]
    bob.ledger.take(account_transfer(BOB, 3, "direct transfer 2", 300, 500))
    bob.state |= {"principal": 500, "last_transfer_number": 3, "interest": 50.0}
    evidence.accounts[0].state["principal"] -= 300


SUM, CHAIN, BOOKED_ONCE = "sum to zero", "every ledger chain", "in the ledgers of both parties"
ANNOUNCED, FINALIZED, OUTCOME = "principals that the server announces", "finalized exactly once", "an outcome"
LOCKED, INTEREST, SETTINGS = "no amount is locked", "the interest is", "the settings of the currency"


@pytest.mark.parametrize(
    ("change", "claims"),
    [
        (set_state(ALICE, "principal", 701), [SUM, ANNOUNCED]),
        (set_state(ALICE, "last_transfer_number", 3), [ANNOUNCED]),
        (set_state(ALICE, "interest", 70.001), [INTEREST]),
        (set_state(BOB, "interest_rate", 9.0), [SETTINGS]),
        (set_state(BOB, "debtor_info_iri", ""), [SETTINGS]),
        # An entry is missing, changed, or there twice.
        (forge_entries(BOB, lambda entries: entries.pop()), [BOOKED_ONCE, INTEREST]),
        (
            forge_entries(BOB, lambda entries: entries.append(entries[-1])),
            [CHAIN, BOOKED_ONCE, INTEREST],
        ),
        (
            forge_entries(
                ALICE, lambda entries: entries.append(entries[1]._replace(number=4, principal=400))
            ),
            [CHAIN, BOOKED_ONCE, INTEREST],
        ),
        (
            forge_entries(ALICE, lambda entries: entries.append(entries.pop()._replace(principal=701))),
            [CHAIN],
        ),
        (announce_two_more_for_bob, [BOOKED_ONCE, ANNOUNCED]),
        # A message after a gap waits for ever.
        (
            lambda evidence: evidence.accounts[BOB].ledger.take(account_transfer(BOB, 4, "late", 1, 201)),
            [CHAIN],
        ),
        # What we were told about a transfer is not what happened.
        (end_with(2, "INSUFFICIENT_AVAILABLE_AMOUNT"), [BOOKED_ONCE, ANNOUNCED]),
        (end_with(3, "OK"), [BOOKED_ONCE, OUTCOME]),
        (end_with(4, ""), [OUTCOME]),
        (end_with(5, "INSUFFICIENT_AVAILABLE_AMOUNT"), [OUTCOME]),
        (lambda evidence: evidence.finalized[ALICE, 2].add(b"another one"), [FINALIZED]),
        (lambda evidence: evidence.finalized.pop((BOB, 3)), [FINALIZED]),
        (lambda evidence: evidence.prepared.remove((BOB, 3)), [FINALIZED]),
        (lambda evidence: setattr(evidence.audits[1], "total_locked_amount", 5), [LOCKED]),
        (lambda evidence: setattr(evidence.audits[1], "outcome", ""), [LOCKED]),
        (lambda evidence: evidence.audits.pop(), [LOCKED]),
        (lambda evidence: evidence.left.update({"the outbox": 1}), ["nothing is left"]),
        (lambda evidence: evidence.unexpected.append("AccountPurge"), ["no message came"]),
    ],
)
def test_a_wrong_book_is_found_out(evidence, change, claims):
    """Whatever is wrong breaks exactly those claims that speak about it."""
    change(evidence)
    assert len(failed(evidence)) == len(claims), failed(evidence)
    assert all(claim in faults for claim, faults in zip(claims, failed(evidence), strict=True))


def test_accounts_that_never_answered_prove_nothing(evidence):
    """An account without any AccountUpdate is not taken for one with principal 0."""
    evidence.accounts[ALICE].state = None
    assert len(failed(evidence)) == 4


def test_money_that_went_nowhere_is_missed(evidence):
    """A commit to an account that does not exist is reported."""
    lost = transfer(7, "direct", ALICE, 999, Wish.COMMIT, 1, "OK")
    findings = prove(replace(evidence, transfers=[*evidence.transfers, lost]))
    assert any("money went to accounts that do not exist: [999]" in finding.faults for finding in findings)
