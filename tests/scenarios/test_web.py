"""Stories over HTTP: what other services may ask."""

import pytest

from .currency import ALICE, BOB, MIN_INT64, ROOT, T0

PLAIN = "text/plain; charset=utf-8"


def path(currency, creditor_id, resource):
    """Where to ask about an account."""
    return f"/accounts/{currency.debtor_id % 2**64}/{creditor_id % 2**64}/{resource}"


def test_the_server_says_that_it_is_healthy(ask):
    """healthz gives 200 and a line of text (behaviour 64)."""
    answer = ask("/accounts/healthz")
    assert (answer.status, answer.body) == (200, b"I am healthy")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "where", ["/", "/accounts", "/accounts/", "/accounts/1/2", "/accounts/1/2/other", "/x"]
)
def test_wrong_paths_are_not_found(ask, where):
    """Whatever is not offered gives 404, for every method (behaviour 64)."""
    assert ask(where).status == 404
    assert ask(where, "POST").status == 404


def test_who_can_be_reached(currency, ask):
    """Existing accounts and the root can, unknown and closing ones can not (behaviour 65)."""
    for creditor_id in (ALICE, -1, MIN_INT64):
        assert ask(path(currency, creditor_id, "reachable")).status == 404
        currency.open(creditor_id)
        answer = ask(path(currency, creditor_id, "reachable"))
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["cache-control"] == "max-age=10"
        currency.open(creditor_id, config_flags=3)
        answer = ask(path(currency, creditor_id, "reachable"))
        assert (answer.status, answer.body) == (404, b"")
        assert answer.headers["cache-control"] == "no-store"
    assert ask(path(currency, ROOT, "reachable")).status == 204
    currency.open_root(config_flags=1)
    assert ask(path(currency, ROOT, "reachable")).status == 204


def test_closing_is_no_one_way_street(currency, ask):
    """A scheduled account takes no transfers; a configuration without bit 0 reopens it (behaviour 49)."""
    currency.rich(ALICE, 100)
    for flags, status in ((0, 204), (1, 404), (2, 204), (-1, 404), (-2, 204)):
        currency.open(BOB, config_flags=flags)
        assert ask(path(currency, BOB, "reachable")).status == status
        answer = currency.answer(
            currency.request(ALICE, BOB, 1), "PreparedTransfer" if status == 204 else "RejectedTransfer"
        )
        assert answer.fields.get("status_code") in (None, "RECIPIENT_IS_UNREACHABLE")


def test_configurations_can_be_read(currency, ask):
    """Unknown, refused, present and empty ones are told apart, and the text is exact (behaviour 66)."""
    root = path(currency, ROOT, "config")
    assert ask(path(currency, ALICE, "config")).status == 404
    currency.open(ALICE)
    fresh = ask(path(currency, ALICE, "config"))
    assert (fresh.status, fresh.body, fresh.headers["content-type"]) == (200, b"", PLAIN)
    name, _, seconds = fresh.headers["cache-control"].partition("=")
    assert name == "max-age"
    assert int(seconds) > 10000
    currency.configure(ROOT, config_data="{refused}")
    currency.take("RejectedConfig")
    missing = ask(root)
    assert (missing.status, missing.body, missing.headers["cache-control"]) == (404, b"", "no-store")
    text = ' {"rate":3.50, "info":{"iri":"монета \\u00e9 😀"}}\n'
    currency.open_root(text)
    assert ask(root).body == text.encode()
    currency.open_root("")
    empty = ask(root)
    assert (empty.status, empty.body) == (200, b"")


@pytest.mark.parametrize("resource", ["reachable", "config"])
def test_resources_are_only_read(currency, ask, resource):
    """POST gives 405, whether the account exists or not (behaviours 65 and 66)."""
    currency.open(ALICE)
    for creditor_id in (ALICE, BOB, ROOT):
        answer = ask(path(currency, creditor_id, resource), "POST", b"{}")
        assert answer.status == 405
        assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("number", ["05", "-1", "18446744073709551616", "+5", "5.0", "%205", "0x5", "٥", ""])
@pytest.mark.parametrize("resource", ["reachable", "config"])
def test_numbers_in_paths_have_one_form(currency, ask, number, resource):
    """A leading zero, a sign, or more than 64 bits make an unknown path (behaviour 68)."""
    currency.open(5)
    quoted = number.replace("٥", "%D9%A5")
    assert ask(f"/accounts/{currency.debtor_id}/{quoted}/{resource}").status == 404
    assert ask(f"/accounts/{quoted}/0/{resource}").status == 404
    assert ask(f"/accounts/{currency.debtor_id}/5/{resource}").status in (200, 204)


def test_an_account_that_was_never_configured_is_reachable(currency, ask):
    """It was created by an agent's payment, and its configuration is empty (behaviours 43 and 66)."""
    currency.rich(ALICE, 100)
    currency.commit(currency.prepared(ALICE, BOB, 1, coordinator_type="agent"), 1)
    assert currency.take("AccountUpdate", creditor_id=BOB).last_config_ts == T0
    assert ask(path(currency, BOB, "reachable")).status == 204
    assert ask(path(currency, BOB, "config")).status == 200
