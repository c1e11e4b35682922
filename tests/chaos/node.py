"""A node of several shards with nginx as its router, of which each part may be killed and started again."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from swpt_accounts.storage import connections
from swpt_accounts.storage.postgres_from_wheel import EmbeddedPostgres
from swpt_accounts.wire.routing import Realm
from tests.backstage.commands import SERVER, Command, answered, get
from tests.backstage.nginx import Router, kill_family
from tests.backstage.waiting import wait_until
from tests.services.ports import free_port

_STARTS_WITHIN_SECONDS: Final = 120.0

_WAITING: Final = """
SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM account_update_due),
       (SELECT count(*) FROM prepared_transfer), (SELECT count(*) FROM waiting_request)
"""
_FLOWS: Final = "SELECT debtor_id, sum(emitted - applied) FROM credit_flow GROUP BY debtor_id"


def realms_of(shards: int) -> list[str]:
    """The binding keys of a power of two of equal shards."""
    bits = shards.bit_length() - 1
    return [Realm(bits, prefix).binding_key for prefix in range(shards)]


class Shard:
    """All roles of a shard under supervision."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = dict(environ)
        self.postgres_url = self.environ["POSTGRES_URL"]
        self.web_port = int(self.environ["WEBSERVER_PORT"])
        self.lines: list[str] = []
        self.command: Command | None = None

    def start(self) -> None:
        """Start it; `wait` waits until it works."""
        self.command = Command((*SERVER, "all"), self.environ)
        self.lines = self.command.lines

    def wait(self) -> None:
        """Wait until its web server answers."""
        wait_until(self._answers, f"the shard at {self.web_port}", _STARTS_WITHIN_SECONDS)

    def kill(self) -> None:
        """End it as a power failure would: all its processes at once; if it runs."""
        if self.command is not None:
            kill_family(self.command.process)
            self.command.wait()
            self._forget()

    def stop(self) -> None:
        """End it in order."""
        if self.command is not None:
            code = self.command.stop()
            assert code == 0, self.lines[-20:]
            self._forget()

    def rows(self, query: str) -> list[Any]:
        """What a query finds in its database."""
        with (
            connections.session(self.postgres_url, "a test") as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(query)
            found: list[Any] = cursor.fetchall()
            return found

    def _answers(self) -> bool:
        try:
            return get(self.web_port, "/accounts/healthz")[0] == 200
        except OSError:
            return False

    def _forget(self) -> None:
        assert self.command is not None and self.command.process.stderr is not None
        self.command.process.stderr.close()
        self.command = None


class Node:
    """Shards of equal parts in databases of one PostgreSQL, behind one router; all end with the stack."""

    def __init__(
        self,
        stack: ExitStack,
        postgres: EmbeddedPostgres,
        amqp_url: str,
        folder: Path,
        keys: Sequence[str],
        **settings: str,
    ) -> None:
        ports = {key: free_port() for key in keys}
        self.router = Router(folder / "router", ports)
        stack.callback(self.router.kill)
        self.settings = {
            "PROTOCOL_BROKER_URL": amqp_url,
            "INTERNAL_USER": "guest",
            "FETCH_API_URL": self.router.url,
            "WEBSERVER_BIND": "127.0.0.1",
            "FETCH_RETRY_MAX_DELAY": "5",
            # Otherwise the last announcements of all accounts are waited for at the end.
            "ACCOUNT_UPDATE_MIN_INTERVAL": "5",
            **settings,
        }
        self.shards: dict[str, Shard] = {}
        for key, port in ports.items():
            self.add(stack, key, postgres.make_database(name_of(key)), port)

    def add(self, stack: ExitStack, key: str, postgres_url: str, port: int, **settings: str) -> Shard:
        """One more shard, not started."""
        own = {
            "POSTGRES_URL": postgres_url,
            "PROTOCOL_BROKER_QUEUE": name_of(key),
            "PROTOCOL_BROKER_QUEUE_ROUTING_KEY": key,
            "WEBSERVER_PORT": str(port),
            "ADMIN_PORT": str(free_port()),
        }
        self.shards[key] = shard = Shard(self.settings | own | settings)
        stack.callback(shard.kill)
        return shard

    def start(self) -> None:
        """Start all of it, and wait until it works."""
        self.router.start()
        for shard in self.shards.values():
            shard.start()
        for shard in self.shards.values():
            shard.wait()

    def stop(self) -> None:
        """End all of it in order."""
        for shard in self.shards.values():
            shard.stop()
        self.router.kill()

    def left(self) -> Counter[str]:
        """What waits, is locked, or is on its way between shards."""
        left: Counter[str] = Counter()
        flows: Counter[int] = Counter()
        for shard in self.shards.values():
            names = ("outbox", "announcements", "prepared transfers", "waiting requests")
            left.update(dict(zip(names, shard.rows(_WAITING)[0], strict=True)))
            flows.update({debtor_id: int(amount) for debtor_id, amount in shard.rows(_FLOWS)})
        left["currencies on their way"] = sum(amount != 0 for amount in flows.values())
        return +left

    def principals(self) -> dict[int, int]:
        """The principals of all accounts, each of which is on one shard."""
        found: dict[int, int] = {}
        for shard in self.shards.values():
            own = dict(shard.rows("SELECT creditor_id, principal FROM account"))
            assert not own.keys() & found.keys()
            found |= own
        return found

    def verify(self, folder: Path) -> str:
        """What `verify --node` says of the files that `verify --json` writes on each shard; all is well."""
        files = []
        for key, shard in self.shards.items():
            code, text = answered((*SERVER, "verify", "--json"), shard.environ)
            assert code == 0, json.loads(text)["violations"]
            files.append(folder / f"{name_of(key)}.json")
            files[-1].write_text(text)
        code, text = answered((*SERVER, "verify", "--node", *map(str, files)), {})
        assert code == 0, text
        return text

    def alarms(self) -> list[str]:
        """Everything in the logs since their last start that an operator would have to look at."""
        lines = [line for shard in self.shards.values() for line in shard.lines]
        return [line for line in lines if "ALARM" in line or "Traceback" in line or " CRITICAL " in line]


def name_of(key: str) -> str:
    """What database and queue of a shard are called."""
    return f"shard_{key.replace('.', '').removesuffix('#') or 'all'}"
