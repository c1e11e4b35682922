"""Calls about transfers and bundles."""

from collections.abc import Sequence
from typing import Any, Final

from swpt_client.inputs import Begin, BeginBundle, Commit, Dismiss, DismissBundle
from swpt_client.limits import DIRECT, ISSUING, ROOT_CREDITOR_ID
from swpt_client.office import Office
from swpt_client.records import Bundle, Decision, Leg, Request, Terms, Transfer

ANY_TERMS: Final = Terms()


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
        """Pay `amount` (at least 1) from our account `sender` to a recipient, by its public identifier.

        `key` is the caller's, and has one outcome for ever: the same call again gives the record as
        it is.  Nothing is locked before the decision, except by issuing, so calls side by side do
        not refuse each other.  Outcome: the news TransferFinished, or `wait`.
        """
        decision = Decision(committed_amount=amount, transfer_note=note, transfer_note_format=note_format)
        locked = amount if coordinator == ISSUING else 0
        request = _request(debtor_id, sender, recipient, locked, locked, coordinator, coordinator_id, terms)
        return self._transfer(Begin(key=key, request=request, decision=decision), session)

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
        """Issue `amount` of a currency of ours to a recipient; otherwise as `transfer`."""
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

        When it is locked, the news TransferPrepared come.
        """
        request = _request(
            debtor_id, sender, recipient, min_amount, max_amount, coordinator, coordinator_id, terms
        )
        return self._transfer(Begin(key=key, request=request), session)

    def commit(
        self, key: str, amount: int, note: str = "", note_format: str = "", *, session: Any = None
    ) -> Transfer:
        """Commit `amount` of a reserved transfer, now or as soon as it is prepared."""
        decision = Decision(committed_amount=amount, transfer_note=note, transfer_note_format=note_format)
        return self._transfer(Commit(key=key, decision=decision), session)

    def dismiss(self, key: str, *, session: Any = None) -> Transfer:
        """End a transfer so that nothing moves.  Raises AlreadyDecided if a commit has left."""
        return self._transfer(Dismiss(key=key), session)

    def _transfer(self, call: Begin | Commit | Dismiss, session: Any) -> Transfer:
        answer = self._office.call(call, session)
        assert isinstance(answer, Transfer)
        return answer

    def find_transfer(self, key: str, *, session: Any = None) -> Transfer | None:
        """The record of a transfer."""
        self._office.check_place(session)
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
        """Commit several transfers together, or none of them.  See the news BundleFinished, or `wait`."""
        call = BeginBundle(key=key, legs=tuple(legs), decide_within=decide_within, repair_for=repair_for)
        return self._bundle(call, session)

    def dismiss_bundle(self, key: str, *, session: Any = None) -> Bundle:
        """End a bundle that is not decided yet.  Raises AlreadyDecided if it is."""
        return self._bundle(DismissBundle(key=key), session)

    def _bundle(self, call: BeginBundle | DismissBundle, session: Any) -> Bundle:
        answer = self._office.call(call, session)
        assert isinstance(answer, Bundle)
        return answer

    def find_bundle(self, key: str, *, session: Any = None) -> Bundle | None:
        """The record of a bundle."""
        self._office.check_place(session)
        return self._office.store.bundle(key, session)


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
