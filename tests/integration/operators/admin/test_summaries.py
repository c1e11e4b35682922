"""The chores for operators: counting currencies, and forgetting what is old."""

from tests.backstage.builders import ALICE, BOB, DAY, DEBTOR, NOW, SECOND, configure, request, text
from tests.backstage.front_desk import log_in
from tests.backstage.housekeeper import housekeeping
from tests.backstage.stories import seed


def test_currencies_are_counted(desk, keeper):
    """Accounts, money, locks: per currency, and the sum of all principals is 0."""
    stand = desk.stand
    seed(stand, 1000)
    stand.apply(request(max_locked_amount=70), *(configure(c, debtor_id=-5) for c in range(3)))
    stand.execute("UPDATE account SET deleted = true WHERE debtor_id = -5 AND creditor_id = 2")
    assert keeper.do("summarize debtors") == 2
    debtors = {int(one["debtor_id"]): one for one in desk.get("/debtors")["items"]}
    assert debtors[DEBTOR]["summary"] == {
        "summarized_at": text(NOW),
        "accounts": 2,
        "deleted_accounts": 0,
        "overflown_accounts": 0,
        "issued": "1000",
        "principals": "0",
        "locked": "70",
        "prepared_transfers": 1,
    }
    assert debtors[-5]["summary"]["accounts"] == 1
    assert debtors[-5]["summary"]["deleted_accounts"] == 1


def test_many_currencies_are_counted_in_steps(desk, keeper, monkeypatch):
    """However the walk is cut, every currency is counted whole, and those that are gone are forgotten."""
    monkeypatch.setattr("swpt_accounts.roles.chores.summaries._READ", 3)
    ids = [-(2**63), -7, -1, 0, 1, 2**63 - 1]
    desk.stand.apply(*(configure(c, debtor_id=d) for d in ids for c in range(1, 5)))
    keeper.do("summarize debtors")
    rows = "SELECT debtor_id, accounts FROM debtor_summary ORDER BY debtor_id"
    assert desk.stand.rows(rows) == [(d, 4) for d in ids]
    desk.stand.execute("DELETE FROM account WHERE debtor_id IN (%s, -1, %s)", ids[0], ids[-1])
    keeper.now = NOW + SECOND
    keeper.do("summarize debtors")
    assert desk.stand.rows(rows) == [(d, 4) for d in (-7, 0, 1)]


def test_sums_that_no_account_could_hold_are_counted(desk, keeper):
    """The money of a currency may be more than fits into 64 bits."""
    seed(desk.stand)
    desk.stand.execute(
        "UPDATE account SET principal = %s WHERE creditor_id IN (%s, %s)", 2**63 - 1, ALICE, BOB
    )
    keeper.do("summarize debtors")
    assert desk.get(f"/debtors/{DEBTOR}")["summary"]["principals"] == str(2**64 - 2 - 1000)


def test_old_refusals_and_sessions_are_forgotten(desk, keeper):
    """After REFUSAL_RETENTION a refusal is gone, and sessions that have ended by time as well."""
    log_in(desk, "viewer")
    for at in (NOW, NOW + 7 * DAY):
        desk.stand.replace(clock=lambda at=at: at)
        desk.stand.apply(request())
    keeper.now = NOW + 7 * DAY
    assert keeper.do("remove refusals") == 0
    assert desk.stand.count("admin_session") == 0
    keeper.now += 1
    assert keeper.do("remove refusals") == 1
    assert desk.stand.rows("SELECT refused_at FROM refusal") == [(NOW + 7 * DAY,)]


def test_too_many_refusals_push_out_the_oldest(desk):
    """Whoever asks for the impossible all the time fills no disk: REFUSAL_MAX_ROWS are kept.

    What comes while they are counted waits for the next time.
    """
    for serial in range(8):
        desk.stand.replace(clock=lambda at=NOW + serial: at)
        desk.stand.apply(request(coordinator_request_id=serial))
    with housekeeping(desk.stand.postgres_url, REFUSAL_MAX_ROWS="3") as keeper:
        keeper.now = NOW + 6
        assert keeper.do("remove refusals") == 4
        keeper.now = NOW + 7
        assert keeper.do("remove refusals") == 1
        assert keeper.do("remove refusals") == 0
    rows = desk.stand.rows("SELECT coordinator_request_id FROM refusal ORDER BY 1")
    assert rows == [(5,), (6,), (7,)]
