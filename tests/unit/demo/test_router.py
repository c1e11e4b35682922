"""The router of a demonstration of several shards: whose a question is."""

import pytest

from swpt_accounts.demo.router import realm_of
from swpt_accounts.wire.numbers import u64
from swpt_accounts.wire.routing import Realm

REALMS = [Realm(2, prefix) for prefix in range(4)]
OWNER = next(one for one in REALMS if one.owns(-3, 77))


@pytest.mark.parametrize(
    ("path", "realm"),
    [
        (f"/accounts/{u64(-3)}/77/reachable", OWNER),
        (f"/accounts/{u64(-3)}/77/config", OWNER),
        ("/realms/01/reachable", Realm(2, 1)),
        ("/realms/0/reachable", None),
        ("/realms/x/reachable", None),
        ("/accounts/healthz", None),
        ("/accounts/-3/77/reachable", None),
        (f"/accounts/{2**64}/77/reachable", None),
        (f"/accounts/{'9' * 5000}/77/reachable", None),
        ("/accounts/1/2/reachable/more", None),
        ("", None),
    ],
)
def test_a_question_goes_to_the_shard_that_it_is_about(path, realm):
    """By the account's key, or by the digits of the realm itself; anything else goes nowhere."""
    assert realm_of(path, REALMS) == realm
