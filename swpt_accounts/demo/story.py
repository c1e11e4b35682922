"""What happens: a currency, accounts, money, transfers, and at last quiet."""

from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Final

from swpt_accounts.runtime import clock
from swpt_accounts.wire.numbers import ROOT_CREDITOR_ID

from .client import Client
from .interruption import Interruption
from .plan import (
    CREDITORS,
    DEBTOR_ID,
    EARLY_CREDITORS,
    INFO_IRI,
    INTEREST_RATE,
    ISSUED_TO_EACH,
    ISSUING_LIMIT,
    MORE_THAN_THERE_IS,
    SUBNET,
    Planner,
    root_configuration,
)
from .proof import Evidence, net_amounts
from .screen import Screen
from .server import Server
from .transfers import Transfer, Wish

_PATIENCE_SECONDS: Final = 30.0
_LOOK_AROUND_SECONDS: Final = 0.25
_MOST_RUNNING: Final = 250


class Stalled(Exception):
    """What should have happened did not, for a long time."""


class Story:
    """One demonstration, shown by a client to a running server."""

    def __init__(self, server: Server, screen: Screen, interruption: Interruption, seed: int) -> None:
        self.client = Client(server.transport, DEBTOR_ID, SUBNET, str(seed), clock.utcnow)
        self._server = server
        self._screen = screen
        self._interruption = interruption
        self._planner = Planner(str(seed))
        self._transfers: list[Transfer] = []
        self._audits: list[Transfer] = []
        self._look_around_at = 0.0

    def play(self, number_of_transfers: int) -> None:
        """Let it all happen.  Raises Stalled if the server does not answer, and Interrupted."""
        self._open_accounts()
        self._issue_money()
        self._run_transfers(number_of_transfers)
        self._await_quiet()

    def evidence(self) -> Evidence:
        """What we know now."""
        client = self.client
        return Evidence(
            accounts=client.accounts,
            transfers=self._transfers,
            audits=self._audits,
            prepared=client.prepared,
            finalized=client.finalized,
            interest_rate=INTEREST_RATE,
            debtor_info_iri=INFO_IRI,
            left=self._server.left(),
            unexpected=[*client.unexpected, *client.coordinator.unexpected],
        )

    # -- the acts ------------------------------------------------------------------------------

    def _open_accounts(self) -> None:
        client = self.client
        for creditor_id in EARLY_CREDITORS:
            client.configure(creditor_id)
        self._until(self._are_configured, "the first accounts")
        client.configure(ROOT_CREDITOR_ID, config_data=root_configuration(interest_rate=101.0))
        root = client.accounts[ROOT_CREDITOR_ID]
        self._until(lambda: bool(root.rejection_code), "the refusal of an interest rate that is too high")
        client.configure(ROOT_CREDITOR_ID, config_data=root_configuration(), negligible_amount=1e30)
        self._until(self._are_configured, "the configuration of the currency")
        for creditor_id in CREDITORS:
            if creditor_id not in EARLY_CREDITORS:
                client.configure(creditor_id)
        self._until(self._are_configured, "the other accounts")
        self._until(self._have_settings, "the settings of the currency at all accounts")
        self._screen.say(
            f"Currency {DEBTOR_ID}: interest rate {INTEREST_RATE} %, issuing limit {ISSUING_LIMIT:,}; "
            f"{len(CREDITORS)} accounts are open."
        )
        if len(self._server.shards) > 1:
            places = Counter(self._server.realm_of(DEBTOR_ID, one) for one in client.accounts)
            shown = ", ".join(f"{places[one]} on {one.binding_key}" for one in sorted(places))
            self._screen.say(f"With the root account there are {shown}.")

    def _issue_money(self) -> None:
        for creditor_id in CREDITORS:
            self._begin(self._planner.issue(creditor_id, ISSUED_TO_EACH))
        self._begin(self._planner.issue(CREDITORS[0], MORE_THAN_THERE_IS, Wish.LOCK_TOO_MUCH))
        self._until(self._is_nothing_running, "the answers to the issuing of money")
        self._screen.say(
            f"Issued {ISSUED_TO_EACH:,} to each of them; more than the limit was refused, as it must be."
        )

    def _run_transfers(self, number: int) -> None:
        waiting = self._planner.draw(number)
        waiting.reverse()
        running = self.client.coordinator.records
        with self._screen.progress("Two-phase transfers", number) as show:
            end = monotonic() + _PATIENCE_SECONDS
            finished = -1
            while waiting or running:
                while waiting and len(running) < _MOST_RUNNING:
                    self._begin(waiting.pop())
                self._turn()
                if (done := number - len(waiting) - len(running)) != finished:
                    finished, end = done, monotonic() + _PATIENCE_SECONDS
                    show(done)
                if monotonic() > end:
                    raise Stalled(f"the end of {len(running)} transfers did not come in time")

    def _await_quiet(self) -> None:
        """Wait until nothing is on its way, and the last balances are announced."""
        self._until(lambda: self.client.is_idle, "quiet")
        while True:
            # Answered in order, so with the last answer everything before it has been applied; and
            # if that made us say something more, we ask once more.
            said = self.client.sent.total()
            audits = [self._planner.ask_for_locks(creditor_id) for creditor_id in self.client.accounts]
            for audit in audits:
                self.client.begin_straight(audit)
            self._until(lambda: self.client.is_idle, "the answers to the last questions")
            if self.client.sent.total() == said + len(audits):
                break
        self._audits = audits
        # From here on it is for the proof to say what is missing.
        try:
            self._until(self._is_quiet, "quiet", 10.0)
        except Stalled:
            self._screen.say("It does not become quiet.")

    # -- steps ---------------------------------------------------------------------------------

    def _begin(self, transfer: Transfer) -> None:
        self._transfers.append(transfer)
        self.client.begin(transfer)

    def _turn(self) -> None:
        self._interruption.check()
        self.client.turn()
        if monotonic() >= self._look_around_at:
            self._look_around_at = monotonic() + _LOOK_AROUND_SECONDS
            self.client.repeat()

    def _until(
        self, is_so: Callable[[], bool], what: str, patience_seconds: float = _PATIENCE_SECONDS
    ) -> None:
        end = monotonic() + patience_seconds
        while not is_so():
            if monotonic() > end:
                raise Stalled(f"{what} did not come in time")
            self._turn()

    def _are_configured(self) -> bool:
        return all(account.is_configured for account in self.client.accounts.values())

    def _have_settings(self) -> bool:
        return all(
            account.state is not None and account.state["debtor_info_iri"] == INFO_IRI
            for account in self.client.accounts.values()
            if account.creditor_id != ROOT_CREDITOR_ID
        )

    def _is_nothing_running(self) -> bool:
        return not self.client.coordinator.records

    def _is_quiet(self) -> bool:
        """Whether nothing is left; what a credit of another shard makes the server say is read after that."""
        is_over = not any(self._server.left().values())
        return is_over and self.client.is_idle and self._is_announced()

    def _is_announced(self) -> bool:
        """Whether the latest states include the latest transfers, which the root account does not number."""
        root = self.client.accounts[ROOT_CREDITOR_ID]
        issued = net_amounts(self._transfers)[ROOT_CREDITOR_ID]
        return (root.state or {}).get("principal") == issued and all(
            account.state is not None
            and account.state["last_transfer_number"] == account.ledger.last_transfer_number
            for account in self.client.accounts.values()
        )
