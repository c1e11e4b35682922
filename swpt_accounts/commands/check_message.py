"""The command `check-message`: what the server would say of a message, without asking anybody."""

from typing import TYPE_CHECKING, Any, BinaryIO

import click
import msgspec

from .common import json_option
from .display import show_fields

if TYPE_CHECKING:
    from swpt_accounts.wire.messages import Malformed, Message
    from swpt_accounts.wire.peers import Peers

# A body that is longer is too large whatever stands in the rest.
_MOST_READ = 1 << 20


def _peers(path: str | None) -> "Peers | None":
    from swpt_accounts.runtime.peers_file import read_peers

    try:
        return None if path is None else read_peers(path, "")
    except ValueError as error:
        raise click.BadParameter(f"{path} {error}", param_hint="--peers") from None


def _key(text: str) -> str:
    from swpt_accounts.runtime.readers import read_binding_key

    try:
        return read_binding_key(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}") from None


@click.command(name="check-message")
@click.argument("file", type=click.File("rb"))
@click.option("--type", "type_property", help="The property `type` of the message.  [default: none]")
@click.option(
    "--content-type", default="application/json", show_default=True, help="The property `content_type`."
)
@click.option(
    "--realm", type=_key, default="#", show_default=True, help="The binding key of the shard that it is for."
)
@click.option("--peers", "peers_file", help="A table of peers, as PEERS_FILE names one.  [default: none]")
@click.option("--user", help="The broker user who sends it, where there is a table.  [default: unnamed]")
@json_option
def check_message(
    file: BinaryIO,
    type_property: str | None,
    content_type: str,
    realm: str,
    peers_file: str | None,
    user: str | None,
    as_json: bool,
) -> int:
    """Show what the server would say of the message in FILE (- for standard input), and why.

    It reads the body by the checks of a worker, and asks neither a database nor a broker, nor settings.
    Exit code 0: it is well-formed.  1: it would become a dead letter.
    """
    from swpt_accounts.operators.inspection.explanations import REASONS
    from swpt_accounts.wire.messages import Malformed, PendingBalanceChange, decode
    from swpt_accounts.wire.routing import binary_key

    try:
        body = file.read(_MOST_READ)
    except OSError as error:
        raise click.FileError(file.name, str(error)) from None
    found = _judged(decode(body, content_type, type_property), realm, _peers(peers_file), user)
    if isinstance(found, Malformed):
        shown: dict[str, Any] = {"verdict": "dead letter", "reason": found.reason, "detail": found.detail}
        show_fields(shown | {"meaning": REASONS[found.reason]}, as_json)
        return 1
    shown = {"verdict": "well-formed", "type": type(found).__name__}
    shown["routing_key"] = binary_key(found.debtor_id, found.creditor_id)
    shown |= {name: _written(value, name) for name, value in msgspec.structs.asdict(found).items()}
    shown["then"] = (
        "it is taken only from the broker user that INTERNAL_USER names"
        if isinstance(found, PendingBalanceChange)
        else "whether it is done is decided by the state of the account when it comes"
    )
    show_fields(shown, as_json)
    return 0


def _judged(
    found: "Message | Malformed", realm: str, peers: "Peers | None", user: str | None
) -> "Message | Malformed":
    """What is left of a message by the checks that depend on the server; credits are told of in words."""
    from swpt_accounts.wire.messages import Malformed, PendingBalanceChange
    from swpt_accounts.wire.routing import Realm

    if isinstance(found, Malformed):
        return found
    is_credit = isinstance(found, PendingBalanceChange)
    if peers is not None and not is_credit and (why := peers.why_not(user, found)):
        return Malformed("not_allowed", why)
    if not Realm.parse(realm).owns(found.debtor_id, found.creditor_id):
        return Malformed("wrong_shard", f"the account is not in {realm}")
    return found


def _written(value: Any, name: str) -> Any:
    from swpt_accounts.wire.moments import render_timestamp

    return render_timestamp(value) if name == "ts" or name.endswith(("_ts", "_at")) else value
