"""How the connections of an application's engine are set up, so that what is stored comes back as it was."""

from typing import Any, Final

from sqlalchemy import Connection, Engine, event, text

from swpt_client.store.base import StoreAway, UnfitStore

_FIT_ENCODINGS: Final = ("UTF8", "SQL_ASCII")
"""PostgreSQL keeps our texts unchanged in these, if the connection speaks UTF-8."""
_FIT_ISOLATION: Final = "READ COMMITTED"
_BEGIN: Final = "BEGIN IMMEDIATE"


def speak_utf8(engine: Engine) -> None:
    """Let all connections to PostgreSQL speak UTF-8, whatever PGCLIENTENCODING or the database say.

    When they are made, before SQLAlchemy asks them anything (psycopg gives it bytes otherwise), and
    when they are taken out of the pool: some are older than this, and anybody may change one.
    """
    if not event.contains(engine, "checkout", _speak_utf8):
        event.listen(engine, "connect", _begin_with_utf8, insert=True)
        event.listen(engine, "checkout", _speak_utf8)


def _begin_with_utf8(connection: Any, record: Any) -> None:
    _speak_utf8(connection, record, None)


def _speak_utf8(connection: Any, _record: Any, _proxy: Any) -> None:
    """Nothing is asked of the server if it is so already: both drivers know what it has told them."""
    if hasattr(connection, "set_client_encoding"):
        # psycopg2 has an opinion of its own, which a statement of somebody else does not change.
        if connection.encoding not in ("UTF8", "UNICODE"):
            connection.set_client_encoding("UTF8")
        is_so = connection.get_parameter_status("client_encoding") == "UTF8"
    else:
        is_so = getattr(getattr(connection, "info", None), "encoding", "utf-8") == "utf-8"
    if not is_so:
        with connection.cursor() as cursor:
            cursor.execute("SET client_encoding TO 'UTF8'")
        connection.commit()


def check(engine: Engine) -> None:
    """Raise UnfitStore if a database would change, refuse or forget what we store."""
    if engine.dialect.name != "postgresql":
        _check_is_in_a_file(engine)
        return
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        isolation = "AUTOCOMMIT" if getattr(driver, "autocommit", False) else connection.get_isolation_level()
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
        has_nulls = connection.execute(text("SHOW array_nulls")).scalar_one()
    if encoding not in _FIT_ENCODINGS:
        raise UnfitStore(
            f"the database of the client has the encoding {encoding}, which has not all characters:"
            f" make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )
    if has_nulls != "on":
        raise UnfitStore("array_nulls is off for the client, which changes what it writes: leave it on")
    if isolation != _FIT_ISOLATION:
        raise UnfitStore(
            f"transactions of the client must be READ COMMITTED, and those of this engine are"
            f" {isolation}: see isolation_level of create_engine, and default_transaction_isolation"
        )


def _check_is_in_a_file(engine: Engine) -> None:
    """In memory each thread would have an empty database of its own, or all of them one transaction."""
    with engine.connect() as connection:
        place = connection.exec_driver_sql(
            "SELECT file FROM pragma_database_list WHERE name = 'main'"
        ).scalar()
    if not place:
        raise UnfitStore(
            "a database of SQLite must be in a file: in memory it is not the same for all threads"
            " (for tests there is swpt_client.testing)"
        )


def begin_immediately(engine: Engine) -> None:
    """Let SQLite lock its database when a transaction begins: two that read first cannot both write.

    From then on every statement belongs to a transaction: SQLite undoes a whole one by itself when its
    disk is full or fails, savepoints and all, and takes what follows as transactions of their own.
    """
    if event.contains(engine, "begin", _begin_immediate):
        return

    def leave_it_to_us(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    event.listen(engine, "connect", leave_it_to_us)
    event.listen(engine, "begin", _begin_immediate)
    event.listen(engine, "before_cursor_execute", _execute)
    event.listen(engine, "commit", _check_is_begun)


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql(_BEGIN)


def _execute(
    connection: Connection, _cursor: Any, statement: str, _parameters: Any, _context: Any, _is_many: bool
) -> None:
    if statement != _BEGIN:
        _check_is_begun(connection)


def _check_is_begun(connection: Connection) -> None:
    driver = connection.connection.dbapi_connection
    if driver is not None and not driver.in_transaction:
        raise StoreAway("SQLite has undone the transaction, as it does when its disk is full or fails")
