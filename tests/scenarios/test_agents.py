"""Stories of creditors agents, who move money between the accounts of their own creditors."""

import pytest

from .currency import ALICE, BOB, CAROL, ROOT


def as_agent(coordinator_id):
    """What a PrepareTransfer of an agent says about itself."""
    return {"coordinator_type": "agent", "coordinator_id": coordinator_id}


def test_an_agent_may_move_nothing_within_its_subnet(currency):
    """From 0x000001ffffffffff to 0x0000010000001234, amounts 0 and 0: prepared (behaviour 19)."""
    currency.open(BOB)
    currency.open(ALICE)
    assert (BOB, ALICE) == (0x000001FFFFFFFFFF, 0x0000010000001234)
    assert currency.prepared(BOB, ALICE, **as_agent(0x0000010000000000)).locked_amount == 0


@pytest.mark.parametrize("recipient_id", [CAROL, ROOT, 1, -1])
def test_an_agent_stays_within_its_subnet(currency, recipient_id):
    """Neither another subnet nor the root account can be reached (behaviour 20)."""
    currency.rich(ALICE, 100)
    if recipient_id != ROOT:
        currency.open(recipient_id)
    rejected = currency.rejected(ALICE, recipient_id, 1, **as_agent(BOB))
    assert rejected.status_code == "RECIPIENT_IS_UNREACHABLE"
    currency.silent()


def test_an_agent_creates_the_account_that_it_pays(currency, is_reachable):
    """The new account announces itself once, with the money on it and the rate (behaviour 43)."""
    currency.rich(ALICE, 100)
    currency.open_root({"rate": 2.5})
    currency.take("AccountUpdate", creditor_id=ALICE, interest_rate=2.5)
    prepared = currency.prepared(ALICE, BOB, 40, **as_agent(ALICE))
    assert not is_reachable(currency, BOB)
    currency.commit(prepared, 40)
    assert currency.take("AccountUpdate", creditor_id=BOB).has(
        principal=40,
        last_change_seqnum=1,
        interest_rate=2.5,
        config_flags=0,
        last_config_ts="1970-01-01T00:00:00+00:00",
    )
    received = currency.take("AccountTransfer", creditor_id=BOB)
    assert received.has(transfer_number=1, acquired_amount=40, principal=40, coordinator_type="agent")
    assert is_reachable(currency, BOB)
    currency.take("AccountTransfer", creditor_id=ALICE)
    currency.take("AccountUpdate", creditor_id=ALICE, principal=60)
    currency.silent()


def test_agents_pay_accounts_that_close(currency):
    """The transfer is prepared, committed, and announced whatever amount is negligible (behaviour 105)."""
    currency.rich(ALICE, 100)
    currency.open(BOB, config_flags=1, negligible_amount=1e30)
    assert currency.rejected(ALICE, BOB).status_code == "RECIPIENT_IS_UNREACHABLE"
    currency.commit(currency.prepared(ALICE, BOB, 1, **as_agent(BOB)), 1)
    assert currency.take("AccountTransfer", creditor_id=BOB).has(
        acquired_amount=1, principal=1, transfer_number=1
    )
    assert currency.take("AccountUpdate", creditor_id=BOB).has(config_flags=1, principal=1)
