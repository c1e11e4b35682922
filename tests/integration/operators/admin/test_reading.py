"""What the admin API answers about accounts, ledgers, transfers and refusals."""

from itertools import pairwise

import msgspec
import pytest

from swpt_accounts.operators.inspection import accounts, keyset, transfers
from swpt_accounts.rules.transfers import PreparedTransfer
from swpt_accounts.wire.moments import render_timestamp
from swpt_accounts.wire.numbers import u64
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    HOUR,
    MINUTE,
    NOW,
    ROOT,
    SECOND,
    YEAR,
    configure,
    finalize,
    request,
)
from tests.backstage.stories import issue, put_aside, seed, wait_for_agent

ALICES = f"/debtors/{DEBTOR}/accounts/{ALICE}"
HTML = "<script>alert(1)</script>&\"'"


def transfer(stand, amount, at, sender=ALICE, recipient=BOB, number=None, **fields):
    """Apply a transfer at a moment."""
    stand.replace(clock=lambda: at)
    number = number or at
    stand.apply(request(sender, recipient, coordinator_request_id=number, max_locked_amount=amount, ts=at))
    columns = ", ".join(PreparedTransfer.__struct_fields__)
    [row] = stand.rows(f"SELECT {columns} FROM prepared_transfer WHERE coordinator_request_id = %s", number)
    stand.apply(finalize(PreparedTransfer(*row), amount, ts=at, **fields))
    return row[2]


def moment(at):
    """A moment in a query."""
    return render_timestamp(at).replace("+00:00", "Z")


def walk(desk, path, **query):
    """All items of a list, page by page, in both directions, which must agree."""
    items, page, last = [], None, None
    while True:
        answer = desk.get(path, **query, **({"page": page} if page else {}))
        items += answer["items"]
        last = answer
        if answer["next"] is None:
            break
        page = answer["next"]
    backward = list(last["items"])
    while last["previous"] is not None:
        last = desk.get(path, **query, page=last["previous"])
        backward = last["items"] + backward
    assert backward == items
    return items


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_what_waits_comes_in_pages_that_lead_back(desk, limit):
    """Dead letters and rows of the outbox can be walked in both directions, like every other list."""
    wanted = [put_aside(desk.stand, reason) for reason in ("wrong_shard", "bad_json") for _ in range(3)]
    wait_for_agent(desk.stand, *range(10, 15))
    query = {"limit": limit, "state": "open", "reason": "bad_json"}
    assert [int(one["dead_letter_id"]) for one in walk(desk, "/dead-letters", **query)] == wanted[3:]
    assert [int(one["dead_letter_id"]) for one in walk(desk, "/dead-letters", limit=limit)] == wanted
    rows = [row for (row,) in desk.stand.rows("SELECT outbox_id FROM outbox ORDER BY 1")]
    assert [int(one["outbox_id"]) for one in walk(desk, "/outbox/rows", limit=limit)] == rows


# -- debtors and accounts ----------------------------------------------------------------------


def test_a_currency_is_shown_before_anybody_has_counted_it(desk):
    """What the root account says is there at once; the summary comes with the chore."""
    seed(desk.stand)
    config = '{"type":"RootConfigData","rate":5.5,"limit":9000}'
    desk.stand.apply(configure(ROOT, config_data=config, seqnum=9))
    [debtor] = desk.get("/debtors")["items"]
    assert debtor == desk.get(f"/debtors/{DEBTOR}")
    assert debtor["debtor_id"] == str(DEBTOR)
    assert debtor["issued"] == str(-desk.stand.account(ROOT).principal)
    assert debtor["config_data"] == config
    assert debtor["settings"]["interest_rate"] == 5.5
    assert debtor["settings"]["issuing_limit"] == "9000"
    assert debtor["summary"] is None


def test_debtors_are_found_by_either_form_of_their_id(desk):
    """-1 and 18446744073709551615 are the same debtor, and both forms are shown."""
    desk.stand.apply(configure(ALICE, debtor_id=-1))
    shown = desk.get("/debtors/-1")
    assert shown == desk.get(f"/debtors/{2**64 - 1}")
    assert (shown["debtor_id"], shown["debtor_id_unsigned"]) == ("-1", str(2**64 - 1))
    assert shown["issued"] is None
    desk.get("/debtors/-2", status=404)


def test_debtors_come_in_pages(desk):
    """A walk forward and a walk backward meet every debtor once, in signed order."""
    ids = [-(2**63), -5, -1, 0, 3, 4, 2**63 - 1]
    desk.stand.apply(*(configure(c, debtor_id=d) for d in ids for c in (1, 2)))
    for limit in (1, 2, 3, 100):
        assert [int(one["debtor_id"]) for one in walk(desk, "/debtors", limit=limit)] == ids


def test_accounts_come_in_pages_that_stand_still(desk):
    """An account that comes or goes moves no other one to another page."""
    desk.stand.apply(*(configure(c) for c in range(10, 30)))
    path = f"/debtors/{DEBTOR}/accounts"
    first = desk.get(path, limit=5)
    assert [int(one["creditor_id"]) for one in first["items"]] == [10, 11, 12, 13, 14]
    desk.stand.execute("DELETE FROM account WHERE creditor_id IN (11, 15)")
    desk.stand.apply(configure(5))
    second = desk.get(path, limit=5, page=first["next"])
    assert [int(one["creditor_id"]) for one in second["items"]] == [16, 17, 18, 19, 20]
    again = desk.get(path, limit=5, page=second["previous"])
    assert [int(one["creditor_id"]) for one in again["items"]] == [5, 10, 12, 13, 14]


def test_accounts_are_chosen_by_range_and_state(desk):
    """Ranges go by signed ids; each state shows the accounts that it names."""
    stand = desk.stand
    seed(stand)
    stand.apply(request(), configure(-3, config_flags=1), configure(-4))
    gone = "principal = 0, interest = 0, deleted = true, config_flags = 1"
    stand.execute(f"UPDATE account SET {gone} WHERE creditor_id = -4")
    stand.execute("UPDATE account SET overflown = true WHERE creditor_id = %s", BOB)

    def ids(**query):
        return [
            int(one["creditor_id"]) for one in walk(desk, f"/debtors/{DEBTOR}/accounts", limit=1, **query)
        ]

    assert ids() == [-4, -3, ROOT, ALICE, BOB]
    assert ids(first="-3", last=ALICE) == [-3, ROOT, ALICE]
    assert ids(last=u64(-4)) == [-4]
    assert ids(state="deleted") == [-4]
    assert ids(state="scheduled_for_deletion") == [-3]
    assert ids(state="overflown") == [BOB]
    assert ids(state="locked") == [ALICE]
    assert ids(state="open") == [ROOT, ALICE, BOB]
    desk.get(f"/debtors/{DEBTOR}/accounts", status=422, first=5, last=4)


def test_rare_accounts_are_found_behind_many_others(desk, monkeypatch):
    """A page that has looked long enough ends without a find, and the next one goes on from there."""
    monkeypatch.setattr("swpt_accounts.operators.inspection.accounts._WINDOW_END", _window_of(3))
    desk.stand.apply(*(configure(c, config_flags=int(c in (25, 26))) for c in range(10, 30)))
    path = f"/debtors/{DEBTOR}/accounts"
    empty = desk.get(path, state="scheduled_for_deletion")
    assert (empty["items"], empty["next"] is not None) == ([], True)
    found = walk(desk, path, state="scheduled_for_deletion")
    assert [int(one["creditor_id"]) for one in found] == [25, 26]


def _window_of(rows):
    return accounts._WINDOW_END.replace(str(keyset.WINDOW_ROWS - 1), str(rows - 1))


def test_one_account_is_shown_whole(desk):
    """Everything that is stored, the balance with interest as of now, and what can be spent."""
    stand = desk.stand
    seed(stand)
    stand.apply(request(max_locked_amount=50))
    stand.execute("UPDATE account SET interest_rate = 10 WHERE creditor_id = %s", ALICE)
    desk.now = NOW + YEAR
    shown = desk.get(ALICES)
    account = stand.account(ALICE)
    names = {field.name for field in msgspec.structs.fields(account)}
    assert names <= shown["account"].keys()
    assert int(shown["balance"]) == account.principal * 110 // 100
    assert int(shown["available"]) == int(shown["balance"]) - 50
    assert shown["at"] == render_timestamp(NOW + YEAR)
    assert shown["account"]["creditor_id_unsigned"] == str(ALICE)
    assert shown["account"]["last_deletion_ts"] is None
    assert shown["account"]["pending_transfers_count"] == 1
    desk.get(f"/debtors/{DEBTOR}/accounts/5", status=404)


# -- transfers ---------------------------------------------------------------------------------


def test_prepared_transfers_show_age_and_delay(desk):
    """Each has its age, and is overdue after its deadline; both lists can show only those."""
    seed(desk.stand)
    desk.stand.apply(
        request(coordinator_request_id=1, max_commit_delay=60), request(coordinator_request_id=2)
    )
    desk.now = NOW + HOUR
    shown = walk(desk, ALICES + "/prepared-transfers", limit=1)
    assert (
        shown
        == walk(desk, "/prepared-transfers", limit=1)
        == walk(desk, "/prepared-transfers", debtor_id=DEBTOR)
    )
    assert [(one["is_overdue"], one["age_seconds"]) for one in shown] == [(True, 3600.0), (False, 3600.0)]
    assert shown[0]["deadline"] == render_timestamp(NOW + MINUTE)
    for path in (ALICES + "/prepared-transfers", "/prepared-transfers"):
        assert walk(desk, path, overdue="yes") == shown[:1]
    assert walk(desk, "/prepared-transfers", debtor_id=8) == []


def test_a_page_of_overdue_transfers_looks_at_a_bounded_number(desk, monkeypatch):
    """It may be empty before the end of the list; whoever goes on finds all of them."""
    seed(desk.stand)
    for serial, delay in enumerate([HOUR, HOUR, HOUR, 60, HOUR, 60, 60]):
        desk.stand.apply(request(coordinator_request_id=serial, max_commit_delay=delay, max_locked_amount=1))
    monkeypatch.setattr(transfers, "_LIST_OVERDUE", _overdue_among(3))
    desk.now = NOW + HOUR
    empty = desk.get("/prepared-transfers", overdue="yes")
    assert (empty["items"], empty["next"] is not None) == ([], True)
    found = walk(desk, "/prepared-transfers", overdue="yes")
    assert [int(one["coordinator_request_id"]) for one in found] == [3, 5, 6]


def _overdue_among(rows):
    query = transfers._LIST_OVERDUE.replace(f"LIMIT {keyset.WINDOW_ROWS})", f"LIMIT {rows})")
    return query.replace(f"OFFSET {keyset.WINDOW_ROWS - 1}", f"OFFSET {rows - 1}")


def test_a_transfer_is_found_wherever_it_is(desk):
    """By its id or by its request: while it is prepared, when it is committed, and when it was refused."""
    stand = desk.stand
    seed(stand)
    done = transfer(stand, 30, NOW, number=1)
    stand.apply(request(coordinator_request_id=2), request(coordinator_request_id=3, min_locked_amount=10**9))
    waiting = stand.value("SELECT transfer_id FROM prepared_transfer")
    by_id = desk.get("/transfers", debtor_id=DEBTOR, sender_creditor_id=ALICE, transfer_id=done)
    assert [len(by_id[part]) for part in ("prepared", "committed", "refused")] == [0, 1, 0]
    assert by_id["committed"][0]["acquired_amount"] == "-30"
    by_id = desk.get("/transfers", debtor_id=DEBTOR, sender_creditor_id=ALICE, transfer_id=waiting)
    assert [len(by_id[part]) for part in ("prepared", "committed", "refused")] == [1, 0, 0]

    def by_request(number, **sender):
        asked = {"coordinator_type": "direct", "coordinator_id": ALICE, "coordinator_request_id": number}
        found = desk.get("/transfers", debtor_id=DEBTOR, **asked, **sender)
        return [len(found[part]) for part in ("prepared", "committed", "refused")]

    assert by_request(1) == by_request(1, sender_creditor_id=ALICE) == [0, 1, 0]
    assert by_request(2) == [1, 0, 0]
    assert by_request(3) == [0, 0, 1]
    assert by_request(4) == by_request(1, sender_creditor_id=BOB) == [0, 0, 0]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"transfer_id": 1}, "sender_creditor_id"),
        ({}, "Give either"),
        ({"coordinator_type": "direct", "coordinator_id": 1}, "Give either"),
        ({"transfer_id": 1, "sender_creditor_id": 1, "coordinator_id": 1}, "Give either"),
        ({"coordinator_type": "agent", "coordinator_id": 1, "coordinator_request_id": 1}, "many senders"),
        ({"coordinator_type": "issuing", "coordinator_id": 1, "coordinator_request_id": 1}, "many senders"),
    ],
)
def test_a_lookup_that_no_index_serves_is_refused(desk, asked, shown):
    """422, with a sentence on what has to be given."""
    assert shown in desk.get("/transfers", status=422, debtor_id=DEBTOR, **asked)["detail"]


# -- ledgers -----------------------------------------------------------------------------------


def test_a_ledger_shows_both_sides_of_every_transfer(desk):
    """Newest first or oldest first, page by page, within a range; notes come as they are."""
    stand = desk.stand
    seed(stand)
    amounts = [30, 20, 10, 5]
    for number, amount in enumerate(amounts):
        parties = (ALICE, BOB) if number % 2 == 0 else (BOB, ALICE)
        transfer(stand, amount, NOW + number * HOUR, *parties, transfer_note=HTML, transfer_note_format="x")
    newest = walk(desk, ALICES + "/ledger", limit=2)
    assert [int(one["acquired_amount"]) for one in newest[:4]] == [5, -10, 20, -30]
    assert newest[0]["transfer_note"] == HTML
    oldest = walk(desk, ALICES + "/ledger", limit=1, order="oldest")
    assert oldest == newest[::-1]
    for before, after in pairwise(oldest):
        assert int(after["principal"]) == int(before["principal"]) + int(after["acquired_amount"])
    span = {"since": moment(NOW + HOUR), "until": moment(NOW + 2 * HOUR)}
    part = walk(desk, ALICES + "/ledger", limit=1, **span)
    assert [int(one["acquired_amount"]) for one in part] == [-10, 20]
    bob = walk(desk, f"/debtors/{DEBTOR}/accounts/{BOB}/ledger")
    assert [int(one["acquired_amount"]) for one in bob] == [-5, 10, -20, 30]


def test_entries_of_one_moment_are_not_lost_between_pages(desk):
    """A batch applies many transfers at one moment: each is on exactly one page, in order."""
    stand = desk.stand
    seed(stand)
    stand.apply(*(message for n in range(9) for message in issue(BOB, 1 + n, serial=2 + n)))
    path = f"/debtors/{DEBTOR}/accounts/{BOB}/ledger"
    for limit in (1, 2, 4, 50):
        principals = [int(one["principal"]) for one in walk(desk, path, limit=limit, order="oldest")]
        assert len(principals) == 9
        assert principals == sorted(principals)


def test_the_principal_of_any_moment_is_known(desk):
    """Right after each transfer, between two, before the first, and before the account."""
    stand = desk.stand
    seed(stand)
    start = stand.account(ALICE).principal
    transfer(stand, 30, NOW + HOUR)
    transfer(stand, 20, NOW + 3 * HOUR)

    def at(when):
        shown = desk.get(ALICES + "/principal", at=moment(when))["principal"]
        return None if shown is None else int(shown)

    assert at(NOW - SECOND) is None
    assert [at(NOW + offset) for offset in (0, HOUR - 1, HOUR, 2 * HOUR, 3 * HOUR, DAY)] == [
        start,
        start,
        start - 30,
        start - 30,
        start - 50,
        start - 50,
    ]
    span = {"since": moment(NOW), "until": moment(NOW + 4 * HOUR), "points": 5}
    points = desk.get(ALICES + "/principals", **span)["points"]
    assert [int(one["principal"]) for one in points] == [
        start,
        start - 30,
        start - 30,
        start - 50,
        start - 50,
    ]


def test_what_the_journal_does_not_reach_follows_from_what_came_later(desk):
    """The principal of an account that is older than the journal is told back from its first entry."""
    stand = desk.stand
    seed(stand)
    start = stand.account(ALICE).principal
    transfer(stand, 30, NOW + HOUR)
    stand.execute("DELETE FROM journal WHERE applied_at = %s", NOW)
    stand.execute("UPDATE account SET created_at = %s WHERE creditor_id = %s", NOW - 900 * DAY, ALICE)
    shown = desk.get(ALICES + "/principal", at=moment(NOW - 800 * DAY))
    assert shown == {"at": render_timestamp(NOW - 800 * DAY), "principal": str(start), "applied_at": None}


# -- refusals ----------------------------------------------------------------------------------


def test_every_refusal_is_shown_with_its_reason(desk):
    """Rejected transfers, failed commits and rejected configurations, of all, of a debtor, of an account."""
    stand = desk.stand
    seed(stand)
    stand.apply(
        request(min_locked_amount=10**9, max_locked_amount=10**9, coordinator_request_id=5),
        configure(BOB, config_data="unknown", seqnum=9, negligible_amount=1e30),
        request(coordinator_request_id=6, max_commit_delay=1),
    )
    columns = ", ".join(PreparedTransfer.__struct_fields__)
    waiting = PreparedTransfer(*stand.rows(f"SELECT {columns} FROM prepared_transfer")[0])
    stand.replace(clock=lambda: NOW + HOUR)
    applied = stand.apply(finalize(waiting, 1, ts=NOW + HOUR), request(debtor_id=8))
    assert applied.rejections == {"TIMEOUT": 1, "RECIPIENT_IS_UNREACHABLE": 1}
    shown = walk(desk, "/refusals", limit=1)
    assert [(one["kind"], one["code"]) for one in shown[:2]] == [
        ("transfer", "RECIPIENT_IS_UNREACHABLE"),
        ("commit", "TIMEOUT"),
    ]
    assert {(one["kind"], one["code"]) for one in shown[2:]} == {
        ("transfer", "INSUFFICIENT_AVAILABLE_AMOUNT"),
        ("configuration", "INVALID_CONFIGURATION"),
    }
    assert shown[1]["transfer_id"] == str(waiting.transfer_id)
    [configuration] = walk(desk, "/refusals", debtor_id=DEBTOR, creditor_id=BOB)
    assert configuration["config_data"] == "unknown"
    assert configuration["negligible_amount"] == 1e30
    assert configuration["config_ts"] == render_timestamp(NOW)
    assert walk(desk, "/refusals", debtor_id=DEBTOR, limit=1) == shown[1:]
    assert walk(desk, "/refusals", since=moment(NOW + HOUR)) == shown[:2]
    desk.get("/refusals", status=422, creditor_id=1)


def test_a_batch_without_refusals_writes_none(desk):
    """Dismissals and successes are no refusals."""
    seed(desk.stand)
    transfer(desk.stand, 30, NOW)
    transfer(desk.stand, 0, NOW + 1)
    assert desk.stand.count("refusal") == 0


# -- page tokens -------------------------------------------------------------------------------


def test_a_page_token_is_good_for_its_question_only(desk):
    """A token of another list, of other filters, or of nobody is refused with a sentence."""
    desk.stand.apply(*(configure(c, debtor_id=d) for c in range(5) for d in (7, 8)))
    token = desk.get("/debtors/7/accounts", limit=1)["next"]
    assert desk.get("/debtors/7/accounts", limit=3, page=token)["items"]
    for path, query in [
        ("/debtors/8/accounts", {}),
        ("/debtors", {}),
        ("/debtors/7/accounts", {"state": "open"}),
    ]:
        assert "another question" in desk.get(path, status=422, page=token, **query)["detail"]
    for wrong in (token[:-1], "x" + token, "a.b", "\x00", "é" * 10):
        assert "page" in desk.get("/debtors/7/accounts", status=422, page=wrong)["detail"]
