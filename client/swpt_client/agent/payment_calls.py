"""Calls about transfers and bundles."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from swpt_client.inputs import Begin, BeginBundle, Commit, Dismiss, DismissBundle
from swpt_client.limits import DIRECT, ISSUING, ROOT_CREDITOR_ID
from swpt_client.office import NO_WORDS, Office, Words
from swpt_client.payments import Payment
from swpt_client.records import ANY_TERMS, Bundle, Decision, Leg, Request, Terms, Transfer

_DECISION_WORDS: Final = {
    "committed_amount": "amount",
    "transfer_note": "note",
    "transfer_note_format": "note_format",
}
_TRANSFER_WORDS: Final = {
    **_DECISION_WORDS,
    "creditor_id": "sender",
    "coordinator_type": "coordinator",
    "min_locked_amount": "amount",
    "max_locked_amount": "amount",
}
_RESERVE_WORDS: Final = {
    **_TRANSFER_WORDS,
    "min_locked_amount": "min_amount",
    "max_locked_amount": "max_amount",
}


class PaymentCalls:
    """A part of the agent."""

    _office: Office

    def transfer(
        self,
        key: str,
        *,
        debtor_id: int,
        sender: int,
        recipient: str,
        amount: int,
        note: str = "",
        note_format: str = "",
        coordinator: str = DIRECT,
        coordinator_id: int | None = None,
        terms: Terms = ANY_TERMS,
        session: Any = None,
    ) -> Transfer:
        """Pay `amount` from our account `sender` to a recipient, by its public identifier.

        `key` is the caller's, of 1 to 200 characters, and has one outcome for ever: the same call
        again gives the record as it is.  `amount`: from 1 to 2⁶³ − 1, in the smallest unit of the
        currency.  `note`: at most 500 bytes; the currency may allow less, and then the outcome says
        so.  `note_format`: of the note, at most 8 characters.  `coordinator`: `direct`, `agent`, or
        one of `other_types`, with the `coordinator_id` that the answers come to (by default the
        sender).  `terms`: see `records.Terms`.

        Nothing is locked before the decision, except by issuing, so calls side by side do not refuse
        each other (protocol.rst, PrepareTransfer and FinalizeTransfer).  Outcome: the news
        TransferFinished, or `wait`.
        Raises BadField; KeyConflict; LedgerIsBehind; StoreAway.
        """
        payment = Payment(
            key=key,
            debtor_id=debtor_id,
            sender=sender,
            recipient=recipient,
            amount=amount,
            note=note,
            note_format=note_format,
            coordinator=coordinator,
            coordinator_id=coordinator_id,
            terms=terms,
        )
        return self._transfer(_begin_of(payment), session, _words_of(payment))

    def transfer_many(self, payments: Iterable[Payment], *, session: Any = None) -> list[Transfer]:
        """Pay each of the payments, as `transfer` does, in one transaction: all of them are stored, or none.

        For a hundred payments this takes as many statements as for one.  Each has its own key and its
        own outcome (protocol.rst, PrepareTransfer and FinalizeTransfer); they are not one bundle.  Gives
        the records, in the order of the payments.  What is refused first is named by its `key`, and by
        a path as `field`: `payments[2].amount`.
        Raises BadField; KeyConflict; LedgerIsBehind; StoreAway.
        """
        payments = list(payments)
        for place, one in enumerate(payments):
            if not isinstance(one, Payment):
                self._office.require("", (f"payments[{place}]", "must be a Payment"))
        calls = [_begin_of(one) for one in payments]

        def named(place: int, field: str) -> str:
            return f"payments[{place}].{_words_of(payments[place]).get(field, field)}"

        answers = self._office.call_all(calls, session, named)
        found = [one for one in answers if isinstance(one, Transfer)]
        assert len(found) == len(calls), "each payment has a record"
        return found

    def issue(
        self,
        key: str,
        *,
        debtor_id: int,
        recipient: str,
        amount: int,
        note: str = "",
        note_format: str = "",
        terms: Terms = ANY_TERMS,
        session: Any = None,
    ) -> Transfer:
        """Issue `amount` of a currency of ours to a recipient; otherwise as `transfer`.

        The root account pays, and its debtor is the coordinator (protocol.rst, The root account).
        Raises BadField; KeyConflict; LedgerIsBehind; StoreAway.
        """
        return self.transfer(
            key,
            debtor_id=debtor_id,
            sender=ROOT_CREDITOR_ID,
            recipient=recipient,
            amount=amount,
            note=note,
            note_format=note_format,
            coordinator=ISSUING,
            terms=terms,
            session=session,
        )

    def reserve(
        self,
        key: str,
        *,
        debtor_id: int,
        sender: int,
        recipient: str,
        min_amount: int,
        max_amount: int,
        coordinator: str = DIRECT,
        coordinator_id: int | None = None,
        terms: Terms = ANY_TERMS,
        session: Any = None,
    ) -> Transfer:
        """Lock between `min_amount` and `max_amount` for a transfer; decide by `commit` or `dismiss`.

        Both from 0 to 2⁶³ − 1; otherwise as `transfer`.  When it is locked, the news TransferPrepared
        come, and `wait` ends; who has not decided until `terms.decide_within`, or until the server's
        deadline, has dismissed it (protocol.rst, PreparedTransfer).
        Raises BadField; KeyConflict; LedgerIsBehind; StoreAway.
        """
        request = _request(
            debtor_id, sender, recipient, min_amount, max_amount, coordinator, coordinator_id, terms
        )
        words = _with_coordinator(_RESERVE_WORDS, coordinator, coordinator_id)
        return self._transfer(Begin(key=key, request=request), session, words)

    def commit(
        self, key: str, amount: int, note: str = "", note_format: str = "", *, session: Any = None
    ) -> Transfer:
        """Commit `amount` of a reserved transfer, now or as soon as it is prepared.

        More than was locked may fail (protocol.rst, FinalizeTransfer).
        Raises BadField; NotFound; AlreadyDecided; Parked; InBundle; StoreAway.
        """
        decision = Decision(committed_amount=amount, transfer_note=note, transfer_note_format=note_format)
        return self._transfer(Commit(key=key, decision=decision), session, _DECISION_WORDS)

    def dismiss(self, key: str, *, session: Any = None) -> Transfer:
        """End a transfer so that nothing moves (protocol.rst, FinalizeTransfer with an amount of 0).

        Raises BadField; NotFound; AlreadyDecided if a commit has left; Parked; InBundle; StoreAway.
        """
        return self._transfer(Dismiss(key=key), session)

    def _transfer(self, call: Begin | Commit | Dismiss, session: Any, words: Words = NO_WORDS) -> Transfer:
        answer = self._office.call(call, session, words)
        assert isinstance(answer, Transfer)
        return answer

    def find_transfer(self, key: str, *, session: Any = None) -> Transfer | None:
        """The record of a transfer; None if there is none.  Raises BadField; StoreAway."""
        self._office.check_question(key, session)
        return self._office.store.transfer(key, session)

    # --- bundles ----------------------------------------------------------------------------------

    def bundle(
        self,
        key: str,
        legs: Sequence[Leg],
        *,
        decide_within: int,
        repair_for: int = 7 * 86400,
        session: Any = None,
    ) -> Bundle:
        """Commit several transfers together, or none of them.  See the news BundleFinished, or `wait`.

        `decide_within`: seconds, in which all legs must be locked, or all are dismissed.
        `repair_for`: seconds, in which a leg that fails after the decision is tried anew (protocol.rst,
        Running transfer records).
        Raises BadField; KeyConflict; LedgerIsBehind; StoreAway.
        """
        if not isinstance(legs, Iterable):
            self._office.require(key, ("legs", "must be a sequence of Leg"))
        call = BeginBundle(key=key, legs=tuple(legs), decide_within=decide_within, repair_for=repair_for)
        return self._bundle(call, session)

    def dismiss_bundle(self, key: str, *, session: Any = None) -> Bundle:
        """End a bundle that is not decided yet.

        Raises BadField; NotFound; AlreadyDecided if it is; Parked; StoreAway.
        """
        return self._bundle(DismissBundle(key=key), session)

    def _bundle(self, call: BeginBundle | DismissBundle, session: Any) -> Bundle:
        answer = self._office.call(call, session)
        assert isinstance(answer, Bundle)
        return answer

    def find_bundle(self, key: str, *, session: Any = None) -> Bundle | None:
        """The record of a bundle; None if there is none.  Raises BadField; StoreAway."""
        self._office.check_question(key, session)
        return self._office.store.bundle(key, session)


def _begin_of(one: Payment) -> Begin:
    decision = Decision(
        committed_amount=one.amount, transfer_note=one.note, transfer_note_format=one.note_format
    )
    locked = one.amount if one.coordinator == ISSUING else 0
    request = _request(
        one.debtor_id,
        one.sender,
        one.recipient,
        locked,
        locked,
        one.coordinator,
        one.coordinator_id,
        one.terms,
    )
    return Begin(key=one.key, request=request, decision=decision)


def _words_of(one: Payment) -> Words:
    return _with_coordinator(_TRANSFER_WORDS, one.coordinator, one.coordinator_id)


def _with_coordinator(words: Words, coordinator: str, coordinator_id: int | None) -> Words:
    """Of a coordinator that was not named the fault is that of the argument which it was taken from."""
    if coordinator_id is not None:
        return words
    return {**words, "coordinator_id": "debtor_id" if coordinator == ISSUING else "sender"}


def _request(
    debtor_id: int,
    sender: int,
    recipient: str,
    low: int,
    high: int,
    coordinator: str,
    coordinator_id: int | None,
    terms: Terms,
) -> Request:
    if coordinator_id is None:
        coordinator_id = debtor_id if coordinator == ISSUING else sender
    return Request(
        debtor_id=debtor_id,
        creditor_id=sender,
        recipient=recipient,
        min_locked_amount=low,
        max_locked_amount=high,
        coordinator_type=coordinator,
        coordinator_id=coordinator_id,
        terms=terms,
    )
