"""What is an answer of another shard, and what is none (rules.md#http-between-shards)."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from swpt_accounts.runtime import metrics
from swpt_accounts.shards.client import Config, Said, SaidTogether, ShardClient, Whose
from swpt_accounts.shards.terms import MOST_ASKED_TOGETHER, NO_SHARD
from swpt_accounts.wire.routing import Realm
from tests.backstage import far_shards as far
from tests.backstage.far_shards import far_shards

D = -1
YES, NO = (D, 4294967297), (D, 4294967298)
ROOT_CONFIG = '{"type":"RootConfigData","rate":5.0}'


@pytest.fixture
def shards():
    """Two other shards: one account accepts transfers."""
    with far_shards("0.#", "1.#", reachable={YES}, configs={D: ROOT_CONFIG}) as shards:
        yield shards


@asynccontextmanager
async def _open(url: str, timeout_seconds: float):
    client = ShardClient(url, timeout_seconds=timeout_seconds, connections=8)
    try:
        yield client
    finally:
        await client.close()


def ask(shards, question, *arguments, timeout_seconds: float = 20.0, times: int = 1):
    """What a client hears, the last time of all."""

    async def ask_all():
        async with _open(shards.url, timeout_seconds) as client:
            for _ in range(times):
                answer = await getattr(client, question)(*arguments)
            return answer

    return asyncio.run(ask_all())


def failures(resource: str = "reachable") -> float:
    """How many calls had no answer."""
    value: float = metrics.FETCH_FAILURES.labels(resource)._value.get()
    return value


def test_204_is_yes_and_404_is_no(shards):
    """Both name the realm of their shard; a yes says how long it lasts."""
    assert ask(shards, "ask_reachable", YES) == Said(True, Realm.parse("0.#"), 10.0)
    assert ask(shards, "ask_reachable", NO) == Said(False, Realm.parse("0.#"))
    assert shards.calls == [
        "GET /accounts/18446744073709551615/4294967297/reachable",
        "GET /accounts/18446744073709551615/4294967298/reachable",
    ]


def test_a_question_goes_past_caches_on_connections_that_are_kept(shards):
    """`Cache-Control: no-cache`, no cookies, and one connection for questions one after the other."""
    ports = set()

    def note(shards, handler):
        ports.add(handler.client_address[1])
        return False

    shards.manner = note
    ask(shards, "ask_reachable", YES, times=5)
    assert {headers["Cache-Control"] for headers in shards.headers} == {"no-cache"}
    assert not any("Cookie" in headers for headers in shards.headers)
    assert len(ports) == 1


@pytest.mark.parametrize(
    "manner",
    [
        far.answers(200),
        far.answers(201),
        far.answers(301, Location="/elsewhere"),
        far.answers(302, Location="/accounts/1/0/reachable"),
        far.answers(400),
        far.answers(403),
        # a router that finds no shard, or has another page for that
        far.answers(404, b"<html><h1>404 Not Found</h1><hr>nginx</html>"),
        far.answers(410),
        far.answers(500, b"The account belongs to another shard.\n"),
        far.answers(502),
        far.answers(503),
        far.answers(504),
        far.resets,
        far.babbles,
        far.endless,
    ],
    ids=far.name,
)
def test_anything_else_is_no_answer(shards, manner):
    """It is counted, and never a rejection (P4, behaviour 70)."""
    shards.manner = manner
    before = failures()
    assert ask(shards, "ask_reachable", YES) == Said()
    assert failures() == before + 1
    assert len(shards.calls) <= 2, "a redirect is not followed"
    assert not any("elsewhere" in call for call in shards.calls)


@pytest.mark.parametrize(
    "manner", [far.hangs, far.trickles, far.trickles_body], ids=lambda manner: manner.__name__
)
def test_a_call_is_bounded_as_a_whole(shards, manner):
    """Bytes that trickle for ever do not prolong it (FETCH_TIMEOUT)."""
    shards.manner = manner
    assert ask(shards, "ask_reachable", YES, timeout_seconds=0.3) == Said()


def test_nobody_there_is_no_answer(shards):
    """A port that is closed, and a name that does not exist."""
    for url in ("http://127.0.0.1:1", "http://no.such.host.invalid"):
        shards.url = url
        assert ask(shards, "ask_reachable", YES) == Said()


@pytest.mark.parametrize("realm", ["1.#", "#", "2.#", "0.#, 1.#", "0." * 21 + "#", "nonsense"])
def test_a_realm_that_can_not_be_true_is_not_believed(shards, realm):
    """Only a shard that owns the account can answer for it."""
    shards.manner = far.answers(204, Shard_Realm=realm)
    assert ask(shards, "ask_reachable", YES) == Said(True)


@pytest.mark.parametrize(
    ("header", "lasts"),
    [("max-age=3", 3.0), ("private, max-age=7", 7.0), ("no-store", 0.0), ("max-age=x", 0.0)],
)
def test_a_yes_lasts_as_long_as_its_shard_says(shards, header, lasts):
    """Without a word about it, nobody may use it again."""
    shards.manner = far.answers(204, Cache_Control=header)
    assert ask(shards, "ask_reachable", YES).lasts_seconds == lasts


# -- many at once ------------------------------------------------------------------------------


def test_many_are_asked_for_in_one_call(shards):
    """One answer for each, in their order."""
    keys = [YES, NO] * (MOST_ASKED_TOGETHER // 2)
    said = ask(shards, "ask_together", Realm.parse("0.#"), keys)
    assert said == SaidTogether([True, False] * (MOST_ASKED_TOGETHER // 2), 10.0)
    assert shards.calls == ["POST /realms/0/reachable"]


def test_the_largest_ids_fit_into_one_call(shards):
    """A shard refuses bodies of more than 20480 bytes."""
    seen = []

    def note(shards, handler):
        seen.append(len(handler.body))
        return False

    shards.manner = note
    ask(shards, "ask_together", Realm.parse("0.#"), [(-(2**63), -(2**63))] * MOST_ASKED_TOGETHER)
    assert 0 < seen[0] <= 20480


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_shard_of_another_make_does_not_know_the_question(shards, status):
    """It has to be asked one by one."""
    shards.manner = far.answers(status)
    assert ask(shards, "ask_together", Realm.parse("0.#"), [YES]) == SaidTogether(is_unknown=True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[true]",
        b'{"reachable":[true,false],"max_age":10}',
        b'{"reachable":[1],"max_age":10}',
        b"{}",
        b"\xff",
    ],
)
def test_an_answer_that_does_not_fit_is_none(shards, body):
    """Too many, too few, or no truth values."""
    shards.manner = far.answers(200, body)
    before = failures()
    assert ask(shards, "ask_together", Realm.parse("0.#"), [YES]) == SaidTogether()
    assert failures() == before + 1


# -- configurations ----------------------------------------------------------------------------


def test_a_configuration_is_the_exact_text(shards):
    """200 is the text, 404 means that there is no root account."""
    assert ask(shards, "ask_config", D) == Config(ROOT_CONFIG)
    assert ask(shards, "ask_config", 5) == Config(None)
    shards.configs[D] = ""
    assert ask(shards, "ask_config", D) == Config("")


@pytest.mark.parametrize(
    "manner",
    [
        far.answers(204),
        far.answers(404, b"nothing here"),
        far.answers(500),
        far.answers(200, b"nonsense"),
        far.answers(200, b"\xff"),
        far.answers(200, b'{"rate":"5"}'),
        far.answers(200, b" " * 70_000),
        far.resets,
    ],
    ids=far.name,
)
def test_a_text_that_is_no_configuration_is_no_answer(shards, manner):
    """Accounts keep what they have, and it is asked again (rules.md#carrying-settings-to-all-accounts)."""
    shards.manner = manner
    before = failures("config")
    assert ask(shards, "ask_config", D) is None
    assert failures("config") == before + 1


@pytest.mark.parametrize(
    ("manner", "whose"),
    [
        (lambda shards, handler: False, Whose(Realm.parse("0.#"), "a queue")),
        (far.answers(503, NO_SHARD.encode()), Whose()),
        (far.answers(503, b"away"), None),
        (far.answers(204, Shard_Realm="#"), Whose(Realm(0, 0))),
        (far.answers(500, Shard_Realm="1.#"), Whose(Realm.parse("1.#"))),
        (far.answers(204, Shard_Realm="2.#"), None),
        (far.answers(204), None),
        (far.resets, None),
    ],
)
def test_whoever_answers_says_who_he_is(shards, manner, whose):
    """Also who does not own the account; a router without a shard for it is known by its words."""
    shards.queues["0.#"] = "a%20queue"
    shards.manner = manner
    assert ask(shards, "ask_whose", YES) == whose
