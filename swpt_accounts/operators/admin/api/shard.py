"""What this server is in its node, and the requests that wait for other shards."""

from typing import Any

import msgspec
from marshmallow import Schema, fields

from swpt_accounts.operators.admin.context import admin_context
from swpt_accounts.operators.admin.fields import Int64, Moment, UnsignedId, WrittenId
from swpt_accounts.operators.admin.pages import PageQuery, answer_page, page_of
from swpt_accounts.operators.inspection.keyset import Cut, Page
from swpt_accounts.operators.inspection.shards.part import realm_since
from swpt_accounts.operators.inspection.shards.waiting import WaitingRequest, list_waiting, recipient_key
from swpt_accounts.wire.moments import MICROSECONDS

from .arguments import AdminBlueprint

shard = AdminBlueprint("shard", __name__, description="This server as a part of its node")


class ShardSchema(Schema):
    """Which part of all accounts this server has, as the binding key of its queue."""

    realm = fields.String()
    realm_since = Moment(allow_none=True)
    is_only_shard = fields.Boolean()
    deletes_foreign_records = fields.Boolean()


class WaitingRequestSchema(Schema):
    """A PrepareTransfer whose recipient lives on another shard that has not answered yet.

    `recipient_key` is the beginning of the key of the recipient's account, which says which shard that is.
    """

    debtor_id = Int64()
    debtor_id_unsigned = UnsignedId(attribute="debtor_id")
    creditor_id = Int64()
    creditor_id_unsigned = UnsignedId(attribute="creditor_id")
    coordinator_type = fields.String()
    coordinator_id = Int64()
    coordinator_request_id = Int64()
    recipient_creditor_id = Int64()
    recipient_creditor_id_unsigned = UnsignedId(attribute="recipient_creditor_id")
    recipient_key = fields.String()
    waiting_since = Moment()
    waiting_seconds = fields.Float()
    attempts = fields.Integer(metadata={"description": "Those without an answer."})
    next_attempt_at = Moment()


class WaitingRequestsQuery(PageQuery):
    """Which requests."""

    debtor_id = WrittenId(load_default=None)


@shard.get("/shard")
@shard.response(200, ShardSchema)
def show() -> dict[str, Any]:
    """Show which part of all accounts this server has."""
    context = admin_context()
    with context.reading() as connection:
        since = realm_since(connection)
    realm = context.settings.realm()
    return {
        "realm": realm.binding_key,
        "realm_since": since,
        "is_only_shard": realm.bits == 0,
        "deletes_foreign_records": context.settings.delete_foreign_records,
    }


@shard.get("/waiting-requests")
@shard.arguments(WaitingRequestsQuery, location="query")
@shard.response(200, page_of(WaitingRequestSchema))
def list_(args: dict[str, Any]) -> dict[str, Any]:
    """List requests that wait for another shard, the oldest first."""
    return waiting_page(args)


def waiting_page(args: dict[str, Any]) -> dict[str, Any]:
    """A page of them, as API and console show it."""
    now = admin_context().now()

    def read(connection: Any, cut: Cut, limit: int) -> Page[Any]:
        found = list_waiting(connection, cut, limit, debtor_id=args["debtor_id"])
        return found.map(lambda one: _shown(one, now))

    return answer_page(args, read)


def _shown(request: WaitingRequest, now: int) -> dict[str, Any]:
    seconds = max(0, now - request.waiting_since) / MICROSECONDS
    more = {"recipient_key": recipient_key(request), "waiting_seconds": seconds}
    return msgspec.structs.asdict(request) | more
