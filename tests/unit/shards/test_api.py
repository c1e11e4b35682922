"""The HTTP interface for other shards, as far as no database is asked (rules.md#http-between-shards)."""

import re

import pytest

from swpt_accounts.runtime.settings import load
from swpt_accounts.shards.api import IdConverter
from swpt_accounts.shards.app import create_app

UD = 2**64 - 1


@pytest.fixture
def make_client():
    """Makes clients of applications with the given settings, whose database is away."""

    def make(**environ):
        return create_app(load({"POSTGRES_URL": "postgresql://u@127.0.0.1:1/d"} | environ)).test_client()

    return make


@pytest.fixture
def client(make_client):
    """A client of an application with the settings of one shard alone."""
    return make_client()


def test_healthz_says_that_the_process_lives(client):
    """healthz gives 200 and its fixed text."""
    answer = client.get("/accounts/healthz")
    assert (answer.status_code, answer.data) == (200, b"I am healthy")
    assert answer.headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/accounts",
        "/accounts/",
        "/healthz",
        "/accounts/healthz/",
        "/accounts/1/0",
        "/accounts/1/0/",
        "/accounts/1/0/other",
        "/accounts/1/0/config/",
        "/accounts/1/0/reachable/",
        "//accounts/1/0/config",
        "/accounts//1/0/config",
        "/accounts/1//0/reachable",
        "/accounts/1/0//reachable",
        "/accounts/01/0/config",
        "/accounts/1/00/config",
        "/accounts/-1/0/config",
        "/accounts/+1/0/config",
        "/accounts/1/%200/config",
        "/accounts/1/0%0A/config",
        "/accounts/1/1.0/config",
        "/accounts/1/1_0/config",
        "/accounts/1/0x1/config",
        "/accounts/1/٣/config",
        "/accounts/18446744073709551616/0/config",
        "/accounts/1/18446744073709551616/reachable",
        "/accounts/1/99999999999999999999/reachable",
        "/accounts/1/100000000000000000000/reachable",
        "/ACCOUNTS/healthz",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_any_other_path_is_unknown(client, path, method):
    """404 without redirection for everything that is not exactly a known path."""
    answer = client.open(path, method=method)
    assert answer.status_code == 404
    assert "Location" not in answer.headers


@pytest.mark.parametrize("path", ["healthz", "1/0/reachable", "1/0/config"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "FOO"])
def test_only_reading_is_allowed(client, path, method):
    """405 with the allowed methods for anything but GET, HEAD and OPTIONS on a known path."""
    answer = client.open(f"/accounts/{path}", method=method)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("path", ["healthz", "1/0/reachable", "1/0/config"])
def test_options_names_the_methods(client, path):
    """OPTIONS on a known path names the allowed methods."""
    answer = client.options(f"/accounts/{path}")
    assert answer.status_code == 200
    assert sorted(answer.headers["Allow"].split(", ")) == ["GET", "HEAD", "OPTIONS"]


@pytest.mark.parametrize("resource", ["reachable", "config"])
@pytest.mark.parametrize("creditor_id", [0, 1])
def test_an_account_of_another_shard_is_an_error_not_an_answer(make_client, resource, creditor_id):
    """500, which nobody may cache, for an account that the shard does not own."""
    client = make_client(
        PROTOCOL_BROKER_QUEUE_ROUTING_KEY="0.#", FETCH_API_URL="http://router", INTERNAL_USER="guest"
    )
    answer = client.get(f"/accounts/{UD}/{creditor_id}/{resource}")
    assert answer.status_code == 500
    assert answer.headers["Cache-Control"] == "no-store"
    assert b"another shard" in answer.data


@pytest.mark.parametrize("path", ["healthz", "1/0/config", "unknown"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_large_bodies_are_refused(client, path, method):
    """413 for a body over 20480 bytes, whatever the path is."""
    assert client.open(f"/accounts/{path}", method=method, data=b"x" * 20481).status_code == 413
    assert client.open(f"/accounts/{path}", method=method, data=b"x" * 20480).status_code != 413


def test_what_needs_no_database_is_answered_without_it(client):
    """healthz, and whether a root account is reachable, do not touch the database."""
    assert client.get("/accounts/healthz").status_code == 200
    assert client.get("/accounts/1/0/reachable").status_code == 204


@pytest.mark.parametrize(
    "number", [0, 1, 9, 10, 19, 20, 2**63, 10**19, 2**64 - 10, 2**64 - 6, 2**64 - 2, 2**64 - 1]
)
def test_every_u64_is_an_id(number):
    """The expression for ids takes the canonical form of numbers up to 2^64 - 1, and no leading zero."""
    assert re.fullmatch(IdConverter.regex, str(number))
    assert not re.fullmatch(IdConverter.regex, f"0{number}")


@pytest.mark.parametrize(
    "number", [2**64, 2**64 + 4, 2**64 + 10, 2**64 + 1000, 19 * 10**18, 2 * 10**19, 10**20]
)
def test_larger_numbers_are_no_ids(number):
    """The expression for ids takes nothing beyond 2^64 - 1."""
    assert not re.fullmatch(IdConverter.regex, str(number))
