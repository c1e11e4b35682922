"""Stories of the root account: issuing, its limits, and the settings of a currency."""

import json
from datetime import timedelta

import pytest

from .currency import ALICE, BOB, CAROL, MAX_INT64, ROOT, instant

INFO = {"type": "DebtorInfo", "iri": "https://example.com/"}


def test_issued_money_is_announced_to_the_recipient_only(currency):
    """200 come into being: the root account falls to -200, and gets no AccountTransfer (behaviour 26)."""
    currency.open_root()
    currency.open(ALICE)
    currency.issue(ALICE, 200)
    received = currency.take("AccountTransfer")
    assert received.has(
        creditor_id=ALICE, coordinator_type="issuing", sender="0", acquired_amount=200, principal=200
    )
    assert currency.take("AccountUpdate", creditor_id=ROOT, principal=-200)
    assert currency.take("AccountUpdate", creditor_id=ALICE, principal=200)
    currency.silent()


@pytest.mark.parametrize(
    ("settings", "negligible_amount", "limit"),
    [
        pytest.param('{"limit":100}', 1e30, 100, id="behaviour 27"),
        pytest.param("", 100.0, 100, id="behaviour 28"),
        pytest.param('{"limit":100}', 70.9, 70, id="both"),
        pytest.param("", 0.0, 0, id="none"),
        pytest.param("", 123456789.0, 123456789, id="behaviour 92"),
    ],
)
def test_issuing_stops_at_the_limit(currency, settings, negligible_amount, limit):
    """Exactly the smaller one of limit and negligible amount can be issued (behaviours 27, 28 and 92)."""
    currency.open_root(settings, negligible_amount=negligible_amount)
    currency.open(ALICE)
    rejected = currency.rejected(ROOT, ALICE, limit + 1)
    assert rejected.has(status_code="INSUFFICIENT_AVAILABLE_AMOUNT", total_locked_amount=0)
    assert (
        currency.prepared(ROOT, ALICE, min_locked_amount=0, max_locked_amount=limit + 9).locked_amount
        == limit
    )
    assert currency.rejected(ROOT, ALICE, 1).has(
        status_code="INSUFFICIENT_AVAILABLE_AMOUNT", total_locked_amount=limit
    )


def test_a_lowered_limit_only_stops_new_issuing(currency):
    """Below what is issued already nothing more is; returned money can be issued again (behaviour 107)."""
    currency.open_root({"limit": 100})
    currency.open(ALICE)
    currency.issue(ALICE, 80)
    currency.open_root({"limit": 50})
    assert currency.rejected(ROOT, ALICE, 1).status_code == "INSUFFICIENT_AVAILABLE_AMOUNT"
    currency.pay(ALICE, ROOT, 40)
    assert currency.rejected(ROOT, ALICE, 11).status_code == "INSUFFICIENT_AVAILABLE_AMOUNT"
    currency.issue(ALICE, 10)
    assert currency.open_root({"limit": 50}).principal == -50
    assert currency.open(ALICE).principal == 50


def test_the_whole_range_can_be_issued(currency):
    """MAX_INT64 is issued, locked, and passed on, without overflow (behaviour 108)."""
    currency.rich(ALICE, MAX_INT64)
    currency.open(BOB)
    assert currency.rejected(ROOT, BOB, 1).status_code == "INSUFFICIENT_AVAILABLE_AMOUNT"
    prepared = currency.prepared(ALICE, BOB, MAX_INT64)
    assert prepared.locked_amount == MAX_INT64
    assert currency.rejected(ALICE, BOB, 1).total_locked_amount == MAX_INT64
    currency.commit(prepared, MAX_INT64)
    assert currency.take("AccountTransfer", creditor_id=ALICE).has(acquired_amount=-MAX_INT64, principal=0)
    assert currency.take("AccountTransfer", creditor_id=BOB).has(
        acquired_amount=MAX_INT64, principal=MAX_INT64
    )
    assert currency.open_root().principal == -MAX_INT64


def settings_with(**info):
    """The text of settings with this debtor info."""
    return json.dumps({"info": info}, ensure_ascii=False)


VALID = [
    "",
    "{}",
    " \n{ }\t",
    '{"rate":3.567}',
    '{"type":"RootConfigData","rate":7}',
    '{"type":"RootConfigData-v2","rate":1.0,"color":"red"}',
    '{"type":"RootConfigData","limit":100,"info":{"type":"DebtorInfo","iri":"https://example.com/"}}',
    '{"rate":-50,"rate":100}',
    settings_with(iri="x", sha256="AF" * 32, contentType="text/html", more=None),
    settings_with(iri="ю" * 200, contentType="t" * 100),
    '{"limit":9223372036854775807,"x":' + "[" * 31 + "]" * 31 + "}",
]

INVALID = [
    "[]",
    "null",
    "hello",
    " ",
    '{"type":"Other"}',
    '{"type":"RootConfigData-v0"}',
    '{"type":"RootConfigData\\n"}',
    '{"type":null}',
    '{"rate":-51}',
    '{"rate":101}',
    '{"rate":NaN}',
    '{"rate":null}',
    '{"rate":"5"}',
    '{"rate":true}',
    '{"limit":-1}',
    '{"limit":9223372036854775808}',
    '{"limit":1.5}',
    '{"limit":1e3}',
    '{"limit":"5"}',
    '{"info":null}',
    settings_with(),
    settings_with(iri=""),
    settings_with(iri="x" * 201),
    settings_with(iri="x", contentType="x" * 101),
    settings_with(iri="x", contentType="ю"),
    settings_with(iri="x", sha256="af" * 32),
    settings_with(iri="x", sha256="A" * 63),
    settings_with(iri="x", type="Other"),
    '{"limit":1,"x":' + "[" * 32 + "]" * 32 + "}",
    '{"x":"\\ud800"}',
    '{"x":"\\u0000"}',
]


@pytest.mark.parametrize("config_data", VALID)
def test_good_settings_are_accepted(currency, config_data):
    """The text comes back as it was sent, and the root account itself has no rate (behaviour 67)."""
    assert currency.open_root(config_data).has(config_data=config_data, interest_rate=0.0, debtor_info_iri="")
    currency.silent()


@pytest.mark.parametrize("config_data", INVALID)
def test_bad_settings_are_rejected(currency, config_data):
    """RejectedConfig, and no root account comes into being (behaviour 67)."""
    currency.configure(ROOT, config_data=config_data)
    assert currency.take("RejectedConfig").has(
        config_data=config_data, rejection_code="INVALID_CONFIGURATION"
    )
    currency.silent()
    assert currency.open(ROOT).last_change_seqnum == 1


def test_a_rate_reaches_accounts_once_in_eight_days(currency, other_currency, chores_done):
    """Without accounts nothing happens; a first change is announced, a second is put off (behaviour 54)."""
    other_currency.open_root({"rate": 7})
    currency.open(ALICE)
    currency.open_root({"rate": 5})
    changed = currency.take("AccountUpdate", creditor_id=ALICE)
    assert changed.has(
        interest_rate=5.0, last_change_seqnum=2, last_interest_rate_change_ts=changed.last_change_ts
    )
    currency.open_root({"rate": 6, "info": INFO})
    informed = currency.take("AccountUpdate", creditor_id=ALICE)
    assert informed.has(
        interest_rate=5.0,
        debtor_info_iri=INFO["iri"],
        last_change_seqnum=3,
        last_interest_rate_change_ts=changed.last_interest_rate_change_ts,
    )
    assert currency.open(BOB).has(interest_rate=6.0, last_change_seqnum=1)
    chores_done()
    currency.silent()
    other_currency.silent()


def test_changed_info_is_announced_and_the_same_is_not(currency, chores_done):
    """Only another info makes an AccountUpdate, and no info is another one too (behaviour 55)."""
    currency.open(ALICE)
    currency.open_root({"info": INFO})
    assert currency.take("AccountUpdate", creditor_id=ALICE).debtor_info_iri == INFO["iri"]
    currency.open_root({"info": INFO | {"more": 1}, "limit": 5})
    chores_done()
    currency.silent()
    currency.open_root("{}")
    assert currency.take("AccountUpdate", creditor_id=ALICE).has(debtor_info_iri="", last_change_seqnum=3)


def test_new_settings_reach_a_thousand_accounts_soon(currency):
    """Rate and info come to each in one AccountUpdate, long before the next look at it (behaviour 97)."""
    creditors = range(ALICE, ALICE + 1000)
    for creditor_id in creditors:
        currency.configure(creditor_id)
    for creditor_id in creditors:
        currency.take("AccountUpdate", creditor_id=creditor_id, within=30)
    configured = currency.open_root({"rate": 4.25, "info": INFO})
    for creditor_id in creditors:
        update = currency.take("AccountUpdate", creditor_id=creditor_id)
        assert update.has(interest_rate=4.25, debtor_info_iri=INFO["iri"], last_change_seqnum=2)
        # Ten seconds on a quiet machine, and many more where others work.
        assert instant(update.ts) - instant(configured.ts) < timedelta(seconds=60)
    currency.silent()


def test_interest_is_part_of_what_can_be_spent(currency):
    """At a rate of 100 a huge balance grows while one looks, and the root account never (behaviour 46)."""
    currency.open_root({"rate": 100.0})
    currency.open(ALICE)
    currency.open(CAROL)
    currency.issue(ALICE, 10**15)
    shown = currency.take("AccountUpdate", creditor_id=ALICE)
    assert shown.principal == 10**15
    prepared = currency.prepared(ALICE, CAROL, min_locked_amount=0, max_locked_amount=MAX_INT64)
    assert 10**15 < prepared.locked_amount < 10**15 + 10**10
    assert currency.open(ALICE).interest > 0
    assert currency.open_root({"rate": 100.0}).has(interest=0.0, interest_rate=0.0, principal=-(10**15))
