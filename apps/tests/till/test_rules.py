"""What the till decides, as tables; nothing runs."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from house.errors import SettingsError
from house.settings import Reader
from till.notes import Kind, Note, kind_of, read, write
from till.rules import Colour, Standing, State, Undoing, day_of, is_over_maximum, month_of, undoing
from till.settings import read_till_settings

NOW = datetime(2031, 5, 17, 12, 0, tzinfo=UTC)
DONE = State(kind=Kind.PURCHASE, holder_id=1, outcome="OK", undo="", at=NOW - timedelta(minutes=5))
REFUSED = "INSUFFICIENT_AVAILABLE_AMOUNT"


@pytest.mark.parametrize(
    ("principal", "line", "balance", "owed", "colour"),
    [
        (500, 0, 500, 500, Colour.GOOD),
        (0, 0, 0, 0, Colour.GOOD),
        # the same account with ten of credit: the lent money is no money of the person's
        (1500, 1000, 500, 500, Colour.GOOD),
        (1000, 1000, 0, 0, Colour.GOOD),
        (999, 1000, -1, 0, Colour.ORANGE),
        (500, 1000, -500, 0, Colour.ORANGE),
        (499, 1000, -501, 0, Colour.RED),
        (0, 1000, -1000, 0, Colour.RED),
    ],
)
def test_debts_a_balance_is_what_is_there_without_the_line(
    principal: int, line: int, balance: int, owed: int, colour: Colour
) -> None:
    """Orange below zero, red below −5.00; the till owes only what is above zero."""
    standing = Standing(principal=principal, line=line)
    assert (standing.balance, standing.is_owed, standing.colour(-500)) == (balance, owed, colour)


def test_settings_have_their_usual_values_and_are_read_strictly() -> None:
    """A terminal logs out after 12 seconds, undo is for 60 minutes; what is wrong is named."""
    usual = read_till_settings(Reader({}))
    assert (usual.logout_seconds, usual.undo_minutes, usual.daily_recharge) == (12, 60, 20_000)
    words = {"TILL_LOGOUT_SECONDS": "30", "TILL_RED_BELOW_MINUS": "5.50", "TILL_TIME_ZONE": "Europe/Sofia"}
    own = read_till_settings(Reader(words))
    assert (own.logout_seconds, own.red_below, own.zone.key) == (30, -550, "Europe/Sofia")
    for name, text in (*dict.fromkeys(words, "x").items(), ("TILL_LOGOUT_SECONDS", "1")):
        with pytest.raises(SettingsError, match=name):
            read_till_settings(Reader({name: text}))


@pytest.mark.parametrize(
    ("today", "cents", "is_over"),
    [(0, 10_000, False), (0, 10_001, True), (9_999, 1, False), (9_999, 2, True), (10_000, 1, True)],
)
def test_recharge_at_most_a_set_sum_a_day(today: int, cents: int, is_over: bool) -> None:
    """100.00 a day: exactly that is fine."""
    assert is_over_maximum(today, cents, 10_000) is is_over


@pytest.mark.parametrize(
    ("changes", "who", "minutes_ago", "answer"),
    [
        ({}, 1, 5, Undoing.BEGIN),
        ({"kind": Kind.RECHARGE}, 1, 5, Undoing.BEGIN),
        ({"kind": Kind.TRANSFER}, 1, 5, Undoing.BEGIN),
        ({}, 1, 60, Undoing.BEGIN),
        ({}, 1, 61, Undoing.TOO_LATE),
        ({}, 2, 5, Undoing.NOT_YOURS),
        # who asks about somebody else's is told nothing else
        ({"undo": "done"}, 2, 5, Undoing.NOT_YOURS),
        ({"undo": "done"}, 1, 61, Undoing.ALREADY_UNDONE),
        ({"undo": "open"}, 1, 61, Undoing.IS_RUNNING),
        ({"outcome": ""}, 1, 5, Undoing.DEED_IS_RUNNING),
        ({"outcome": REFUSED}, 1, 5, Undoing.NOTHING_HAPPENED),
        ({"outcome": REFUSED}, 1, 61, Undoing.NOTHING_HAPPENED),
        ({"kind": Kind.LINE}, 1, 5, Undoing.NOT_UNDOABLE),
        ({"kind": Kind.PAYOUT}, 1, 5, Undoing.NOT_UNDOABLE),
    ],
)
def test_undo_one_guard_after_the_other(
    changes: dict[str, object], who: int, minutes_ago: int, answer: Undoing
) -> None:
    """Within 60 minutes, each of the three kinds, only one's own, once."""
    deed = msgspec.structs.replace(DONE, at=NOW - timedelta(minutes=minutes_ago), **changes)
    assert undoing(deed, who=who, now=NOW, minutes=60) is answer


@pytest.mark.parametrize(
    ("note_format", "is_with_root", "kind"),
    [
        ("line", True, Kind.LINE),
        ("line", False, Kind.OTHER),
        ("fill", True, Kind.RECHARGE),
        ("fill", False, Kind.OTHER),
        ("out", False, Kind.OTHER),
        ("buy", False, Kind.PURCHASE),
        ("undo", False, Kind.UNDO),
        ("undo", True, Kind.UNDO),
        ("", True, Kind.OTHER),
        ("LINE", True, Kind.OTHER),
        (".", False, Kind.OTHER),
    ],
)
def test_debts_nobody_else_can_set_a_line(note_format: str, is_with_root: bool, kind: Kind) -> None:
    """An entry with the format `line` that is not between a person and the issuer is ordinary money."""
    assert kind_of(note_format, is_with_root=is_with_root) is kind


@given(st.text(max_size=100), st.uuids())
def test_a_note_says_what_and_whose(what: str, deed_id: UUID) -> None:
    """Whatever somebody writes, also another deed's id: the last one is ours."""
    assert read(write(what, deed_id)) == Note(what, deed_id)
    assert read(write(write(what, uuid4()), deed_id)).deed_id == deed_id


@given(st.text(max_size=50))
def test_any_text_is_a_note(note: str) -> None:
    """Nothing is raised for what others write."""
    assert read(note).deed_id is None


@pytest.mark.parametrize(
    ("zone", "begin", "hours"),
    [
        ("UTC", datetime(2031, 5, 17, tzinfo=UTC), 24),
        ("Asia/Tokyo", datetime(2031, 5, 16, 15, tzinfo=UTC), 24),
        ("America/New_York", datetime(2031, 5, 17, 4, tzinfo=UTC), 24),
    ],
)
def test_a_day_is_where_the_till_stands(zone: str, begin: datetime, hours: int) -> None:
    """From midnight to midnight."""
    assert day_of(NOW, ZoneInfo(zone)) == (begin, begin + timedelta(hours=hours))


def test_days_on_which_clocks_are_changed_have_23_and_25_hours() -> None:
    """Summer time begins and ends."""
    zone = ZoneInfo("Europe/Sofia")
    lengths = []
    for day in (datetime(2026, 3, 29, 12, tzinfo=UTC), datetime(2026, 10, 25, 12, tzinfo=UTC)):
        begin, end = day_of(day, zone)
        lengths.append((end - begin) / timedelta(hours=1))
    assert lengths == [23, 25]


def test_a_year_has_twelve_months() -> None:
    """December ends where January begins."""
    zone = ZoneInfo("Europe/Sofia")
    ends = [month_of(2031, month, zone)[1] for month in range(1, 13)]
    begins = [month_of(2031, month, zone)[0] for month in range(1, 13)]
    assert begins[1:] == ends[:-1]
    assert month_of(2032, 1, zone)[0] == ends[-1]
