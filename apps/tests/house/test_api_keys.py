"""Keys of programs: found by what only their owner has, ended at any time, and kept by nobody else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from house.api_keys import end_keys, make_key, owner_of, rotate_key
from house.tables import api_key, metadata


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A database with the tables of the house."""
    made = create_engine(f"sqlite:///{tmp_path}/keys")
    metadata.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A transaction."""
    with Session(engine) as found, found.begin():
        yield found


def test_a_key_says_whose_it_is(session: Session) -> None:
    """Each its owner, who may have several."""
    keys = {make_key(session, owner): owner for owner in ("anna", "ben", "anna")}
    assert {key: owner_of(session, key) for key in keys} == keys
    assert len(keys) == 3


def test_the_secret_is_not_kept(session: Session) -> None:
    """Whoever reads the database can not use what stands there."""
    prefix, _, secret = make_key(session, "anna").partition(".")
    (row,) = session.execute(select(api_key)).all()
    assert row.prefix == prefix
    assert secret.encode() not in bytes(row.digest) + bytes(row.salt)
    for stolen in (row.digest.hex(), row.salt.hex(), prefix):
        assert owner_of(session, f"{prefix}.{stolen}") is None


def test_equal_secrets_would_not_look_equal(session: Session) -> None:
    """Each key has a salt of its own."""
    for _ in range(2):
        make_key(session, "anna")
    salts = {bytes(salt) for (salt,) in session.execute(select(api_key.c.salt))}
    assert len(salts) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda key: "",
        lambda key: key.partition(".")[0],
        lambda key: key.partition(".")[2],
        lambda key: f"{key}x",
        lambda key: key[:-1],
        lambda key: f"0{key[1:]}" if key[0] != "0" else f"1{key[1:]}",
        lambda key: key.replace(".", ""),
        lambda key: f"{key}{'x' * 100_000}",
        lambda key: f"{key.partition('.')[0]}.\udc00",
        lambda key: f"{key.partition('.')[0]}.\x00",
    ],
)
def test_what_is_no_key_is_nobodys(session: Session, change: object) -> None:
    """Parts of one, changed ones, very long ones, and what is no text."""
    assert callable(change)
    assert owner_of(session, change(make_key(session, "anna"))) is None


def test_keys_are_ended(session: Session) -> None:
    """All of one owner but one, if wished; twice is harmless, and others' stay."""
    old, kept, other = make_key(session, "anna"), make_key(session, "anna"), make_key(session, "ben")
    assert [end_keys(session, "anna", but=kept) for _ in range(2)] == [1, 0]
    assert [owner_of(session, key) for key in (old, kept, other)] == [None, "anna", "ben"]
    assert end_keys(session, "anna") == 1
    assert [owner_of(session, key) for key in (kept, other)] == [None, "ben"]


def test_a_key_is_replaced(session: Session) -> None:
    """The new one is good from then on, and no other."""
    old = [make_key(session, "anna") for _ in range(3)]
    new = rotate_key(session, "anna")
    assert [owner_of(session, key) for key in (*old, new)] == [None, None, None, "anna"]
