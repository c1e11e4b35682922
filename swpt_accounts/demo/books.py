"""The books of a node: what `verify` says on each shard, and `verify --node` about all of them."""

from collections.abc import Sequence
from typing import NamedTuple

from swpt_accounts.operators.inspection.books.verification import verify
from swpt_accounts.rules.invariants import Violation
from swpt_accounts.rules.node import CurrencySums, NodeSums, ShardBooks, add_up
from swpt_accounts.runtime import clock
from swpt_accounts.storage.shard_record import load_shard_record
from swpt_accounts.wire.moments import T0

from .proof import Finding
from .server import Server, Shard


class ShardLine(NamedTuple):
    """What is to be seen of one shard."""

    binding_key: str
    accounts: int
    violations: Sequence[Violation]
    sums: CurrencySums
    """Those of the only currency."""


class Books(NamedTuple):
    """What all shards have said, and what follows from it."""

    shards: list[ShardLine]
    node: NodeSums

    def findings(self) -> list[Finding]:
        """What is to be proved of several shards."""
        of_shards = [f"{one.binding_key}: {wrong}" for one in self.shards for wrong in one.violations]
        of_node = [str(wrong) for wrong in self.node.violations]
        of_node += [f"{amount} is on its way" for amount in self.node.on_the_way.values()]
        if not any(one.sums.emitted for one in self.shards):
            of_node.append("no money went from shard to shard")
        return [
            Finding(f"`verify` finds nothing on any of {len(self.shards)} shards", of_shards),
            Finding("the books of all shards add up, and nothing is on its way (`verify --node`)", of_node),
        ]


def read_all_books(server: Server) -> Books:
    """Check the books of each shard, and of the node."""
    found = [_read_books(shard) for shard in server.shards]
    return Books([line for line, _ in found], add_up([books for _, books in found]))


def _read_books(shard: Shard) -> tuple[ShardLine, ShardBooks]:
    began_at = clock.utcnow()
    realm = shard.settings.realm()
    with shard.session() as connection:
        with connection, connection.cursor() as cursor:
            record = load_shard_record(cursor)
        verified = verify(connection, realm)
    books = ShardBooks(
        name=shard.settings.protocol_broker_queue,
        realm=realm,
        realm_since=T0 if record is None else record.realm_since,
        began_at=began_at,
        ended_at=clock.utcnow(),
        is_whole=verified.is_complete,
        violations_count=verified.violations_count,
        foreign_accounts=verified.foreign_accounts,
        currencies=verified.sums,
    )
    sums = verified.sums[0] if verified.sums else CurrencySums(0, 0)
    return ShardLine(realm.binding_key, verified.accounts, verified.violations, sums), books
