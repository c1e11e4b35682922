"""What goes to PostgreSQL as one text comes back as the values that it was made of."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from swpt_client.store.sql.arrays import array_of

ODD_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.sampled_from(
    [
        "",
        "NULL",
        "null",
        '"',
        "\\",
        '\\"',
        "{}",
        "a,b",
        "'",
        "''; --",
        " ",
        "\n\t\r",
        "\x7f\x85\u2028",
        "%s :x",
        "ключ",
    ]
)
VALUES = [
    ("text", ODD_TEXTS),
    ("bigint", st.integers(-(2**63), 2**63 - 1)),
    ("date", st.dates(date(1970, 1, 1), date(9999, 12, 31))),
]


@pytest.mark.parametrize("sql_store", ["postgres"], indirect=True)
@pytest.mark.parametrize(("kind", "values"), VALUES)
def test_every_value_comes_back(sql_store, kind, values):
    """Texts of any kind, numbers and dates, with NULLs among them or without."""
    question = text(f"SELECT v FROM unnest(CAST(:v AS {kind}[])) WITH ORDINALITY AS t(v, n) ORDER BY n")

    with sql_store.engine.connect() as connection:

        @given(st.lists(values | st.none(), min_size=1, max_size=20) | st.lists(values, min_size=1))
        def ask(sent):
            assert list(connection.execute(question, {"v": array_of(sent)}).scalars()) == sent

        ask()


@pytest.mark.parametrize("texts", [["a\0b"], ["a", "\0"], [None, "a\0"], ["\0", "\0"]])
def test_what_postgresql_cannot_keep_is_refused(texts):
    """A NUL would otherwise make two values of one."""
    with pytest.raises(ValueError, match="NUL"):
        array_of(texts)
