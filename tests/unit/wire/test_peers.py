"""Who may say what: the table of peers on messages (check 14 of rules.md#checks-of-a-message)."""

import pytest

from swpt_accounts.wire.peers import IdRange, Ids, Peer, Peers, overlap
from tests.backstage.builders import configure, finalize, prepared, request

SUBNET = 1 << 40
MINE, OTHER = 5 * SUBNET + 1, 6 * SUBNET + 1
MY_DEBTOR, OTHER_DEBTOR = 4711, 4712
NOT_MINE = "creditor_id: an account that this peer does not speak for"
NO_TYPE = "coordinator_type: not one of this peer"
NO_COORDINATOR = "coordinator_id: not one of this peer"


def ids(*ranges):
    """Some ids."""
    return Ids.of(ranges)


FIFTH = IdRange.of_bytes(bytes([0, 0, 5]))
AGENT = Peer(creditors=ids(FIFTH), coordinator_types=frozenset({"direct", "agent", "trade"}))
ISSUER = Peer(debtors=ids(IdRange.of_id(MY_DEBTOR)), coordinator_types=frozenset({"issuing"}))
REST = Peer(creditors=Ids.of([IdRange(0, 0)], but=[FIFTH]), coordinator_types=frozenset({"direct", "agent"}))
PEERS = Peers(by_user={"agent": AGENT, "issuer": ISSUER}, server_user="server")


def asks(creditor_id, kind="direct", coordinator_id=None, debtor_id=OTHER_DEBTOR):
    """A request to prepare a transfer."""
    coordinator_id = creditor_id if coordinator_id is None else coordinator_id
    return request(creditor_id, debtor_id=debtor_id, coordinator_type=kind, coordinator_id=coordinator_id)


def ends(creditor_id, kind="direct", coordinator_id=None, debtor_id=OTHER_DEBTOR):
    """A request to finalize one."""
    coordinator_id = creditor_id if coordinator_id is None else coordinator_id
    transfer = prepared(
        creditor_id, debtor_id=debtor_id, coordinator_type=kind, coordinator_id=coordinator_id
    )
    return finalize(transfer, 1)


@pytest.mark.parametrize(
    ("user", "message", "why"),
    [
        # accounts of creditors, in whatever currency
        ("agent", configure(MINE), None),
        ("agent", configure(MINE, debtor_id=MY_DEBTOR), None),
        ("agent", configure(OTHER), NOT_MINE),
        ("agent", configure(-MINE), NOT_MINE),
        ("agent", asks(MINE), None),
        ("agent", asks(OTHER), NOT_MINE),
        ("agent", ends(MINE), None),
        ("agent", ends(OTHER), NOT_MINE),
        # root accounts
        ("agent", configure(0, debtor_id=MY_DEBTOR), NOT_MINE),
        ("issuer", configure(0, debtor_id=MY_DEBTOR), None),
        ("issuer", configure(0, debtor_id=OTHER_DEBTOR), NOT_MINE),
        ("issuer", configure(MINE, debtor_id=MY_DEBTOR), NOT_MINE),
        ("issuer", asks(0, "issuing", MY_DEBTOR, MY_DEBTOR), None),
        ("issuer", ends(0, "issuing", MY_DEBTOR, MY_DEBTOR), None),
        ("issuer", ends(0, "issuing", OTHER_DEBTOR, MY_DEBTOR), NO_COORDINATOR),
        # coordinators
        ("agent", asks(MINE, "agent", MINE + 1), None),
        ("agent", ends(MINE, "agent", OTHER), NO_COORDINATOR),
        ("agent", ends(MINE, "direct", OTHER), NO_COORDINATOR),
        ("agent", asks(MINE, "trade", 12345), None),
        ("agent", ends(MINE, "trade", 12345), None),
        ("agent", asks(MINE, "escrow"), NO_TYPE),
        ("agent", asks(MINE, "Trade"), NO_TYPE),
        ("agent", ends(MINE, "issuing", MY_DEBTOR), NO_TYPE),
        ("issuer", asks(0, "direct", debtor_id=MY_DEBTOR), NO_TYPE),
        # names
        (None, configure(MINE), "user_id: missing"),
        ("", configure(MINE), "user_id: not in the table of peers"),
        ("Agent", configure(MINE), "user_id: not in the table of peers"),
        ("server", configure(OTHER), None),
        ("server", ends(OTHER, "whatever"), None),
    ],
)
def test_each_speaks_for_its_own(user, message, why):
    """An account has to be the peer's own, then the type of the coordinator, then the coordinator."""
    assert PEERS.why_not(user, message) == why


@pytest.mark.parametrize(
    ("user", "creditor_id", "why"),
    [
        (None, OTHER, None),
        (None, -1, None),
        ("stranger", OTHER, None),
        ("agent", OTHER, NOT_MINE),
        # leaving out one's name opens no door
        (None, MINE, NOT_MINE),
        ("stranger", MINE, NOT_MINE),
        ("agent", MINE, None),
    ],
)
def test_the_default_is_for_the_others_and_not_for_what_a_peer_has(user, creditor_id, why):
    """With a default entry those without a name speak for what nobody with a name has."""
    peers = Peers(by_user={"agent": AGENT}, default=REST, server_user="server")
    assert peers.why_not(user, configure(creditor_id)) == why
    assert peers.why_not(user, asks(creditor_id)) == why


@pytest.mark.parametrize(
    ("one", "holds", "holds_not"),
    [
        (IdRange(0, 0), [0, 1, -1, 2**63 - 1, -(2**63)], []),
        (IdRange.of_bytes(b"\x00\x00\x01"), [SUBNET, 2 * SUBNET - 1], [SUBNET - 1, 2 * SUBNET, 0, -SUBNET]),
        (IdRange.of_bytes(b"\xff"), [-1, -(2**56)], [-(2**56) - 1, 0, 2**63 - 1]),
        (IdRange.of_bytes(b"\x80" + bytes(7)), [-(2**63)], [-(2**63) + 1, 0]),
        (IdRange.of_id(-5), [-5], [-4, -6, 5]),
    ],
)
def test_a_range_holds_what_begins_with_its_bytes(one, holds, holds_not):
    """Ids are signed, their keys are not; the ends of a range are inside of it, their neighbours are not."""
    assert [ids(one).hold(number) for number in holds] == [True] * len(holds)
    assert [ids(one).hold(number) for number in holds_not] == [False] * len(holds_not)
    assert (one.first, one.last) == (min([one.first, *holds]), max([one.last, *holds]))


@pytest.mark.parametrize(
    ("ranges", "found"),
    [
        ([], None),
        ([FIFTH, IdRange.of_bytes(bytes([0, 0, 6])), IdRange.of_id(-1)], None),
        ([FIFTH, FIFTH], (0, 1)),
        ([IdRange.of_id(MINE), FIFTH], (1, 0)),
        ([IdRange.of_id(3), IdRange(0, 0)], (1, 0)),
        ([IdRange.of_bytes(bytes([0])), IdRange.of_id(1), IdRange.of_id(MINE)], (0, 1)),
    ],
)
def test_overlapping_ranges_are_found(ranges, found):
    """The wider one is named first."""
    assert overlap(ranges) == found


@pytest.mark.parametrize(
    ("first_bytes", "made", "first", "last"),
    [
        (b"\0\0\5", IdRange(24, 5), 5 * SUBNET, 6 * SUBNET - 1),
        (b"\xff\xff", IdRange(16, -1), -(1 << 48), -1),
        (b"\x80", IdRange(8, -128), -(1 << 63), -(1 << 63) + (1 << 56) - 1),
        (b"", IdRange(0, 0), -(1 << 63), (1 << 63) - 1),
    ],
)
def test_a_range_is_made_of_the_bytes_of_a_key(first_bytes, made, first, last):
    """Ids are signed, keys are not."""
    one = IdRange.of_bytes(first_bytes)
    assert one == made
    assert (one.first, one.last) == (first, last)


@pytest.mark.parametrize("number", [MY_DEBTOR, 0, -1])
def test_a_single_id_is_a_range(number):
    """From itself to itself."""
    one = IdRange.of_id(number)
    assert one == IdRange(64, number)
    assert (one.first, one.last) == (number, number)


def test_what_others_have_is_taken_out():
    """All ids but those of a range, and of one id."""
    rest = Ids.of([IdRange(0, 0)], but=[IdRange.of_bytes(b"\0\0\5"), IdRange.of_id(OTHER)])
    assert [rest.hold(one) for one in (MINE, OTHER, OTHER + 1, -MINE)] == [False, False, True, True]


@pytest.mark.parametrize(("debtor_id", "is_own"), [(MY_DEBTOR, True), (OTHER_DEBTOR, False)])
def test_a_direct_coordinator_of_a_root_account_is_its_issuer(debtor_id, is_own):
    """Of its own currency."""
    issuer = Peer(debtors=ids(IdRange.of_id(MY_DEBTOR)))
    assert issuer.coordinates(asks(0, "direct", 0, debtor_id)) is is_own


@pytest.mark.parametrize(
    ("ranges", "found"),
    [
        ([IdRange.of_id(5), IdRange.of_id(5)], (0, 1)),
        ([IdRange.of_id(5), IdRange.of_id(6)], None),
        ([IdRange(24, 0), IdRange(8, 0)], (1, 0)),
        ([IdRange(8, 0), IdRange(24, 0)], (0, 1)),
        ([IdRange(8, 0), IdRange.of_id((1 << 56) - 1)], (0, 1)),
        ([IdRange(8, 0), IdRange.of_id(1 << 56)], None),
    ],
)
def test_of_two_ranges_the_wider_one_comes_first(ranges, found):
    """Also if both begin with the same id, and if they have only one in common."""
    assert overlap(ranges) == found
