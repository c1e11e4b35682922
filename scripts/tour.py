"""A small agent for the tour in README.md: it needs nothing of the server but the broker.

    python scripts/tour.py play     sends a few messages, and shows them with their answers
    python scripts/tour.py across   the same between two shards of a node, `0.#` and `1.#`
    python scripts/tour.py watch    shows all that the server sends, until Ctrl-C

PROTOCOL_BROKER_URL says where the broker is, as it does for the server.  The currency that it
plays with is an ordinary one: do not play on a server that has real ones.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import md5
from typing import Any, Final, TypeAlias

import pika
import pika.exceptions

Message: TypeAlias = dict[str, Any]

DEBTOR: Final = 4711
ROOT: Final = 0
ALICE: Final = 4294967297
BOB: Final = 4294967298
CAROL: Final = 4294967299
"""Her key begins with 0, those of all others and of the root account with 1."""
NOBODY: Final = 4294967302
"""An account that nobody has opened; its key begins with 0."""

PATIENCE_SECONDS: Final = 15.0
NO_DEADLINE: Final = "9999-12-31T23:59:59+00:00"

# What `play` shows of a message; `--json` shows everything.
SHOWN: Final = {
    "ConfigureAccount": ("creditor_id", "negligible_amount", "config_data"),
    "PrepareTransfer": ("coordinator_type", "creditor_id", "recipient", "min_locked_amount"),
    "FinalizeTransfer": ("transfer_id", "committed_amount"),
    "AccountUpdate": ("creditor_id", "principal", "interest_rate", "account_id"),
    "AccountTransfer": ("creditor_id", "acquired_amount", "principal", "transfer_note"),
    "PreparedTransfer": ("transfer_id", "locked_amount"),
    "RejectedTransfer": ("status_code",),
    "FinalizedTransfer": ("transfer_id", "status_code"),
}


class TourError(Exception):
    """The tour can not go on; the text says why."""


def account_key(debtor_id: int, creditor_id: int) -> str:
    """The routing key of a message to the server: 24 bits of a digest of the account's ids."""
    ids = debtor_id.to_bytes(8, "big", signed=True) + creditor_id.to_bytes(8, "big", signed=True)
    digest = md5(ids, usedforsecurity=False).digest()
    return ".".join(format(int.from_bytes(digest[:3], "big"), "024b"))


def agent_key(number: int) -> str:
    """The routing key of a message from the server: the bytes of the agent's id."""
    return number.to_bytes(8, "big", signed=True).hex(".")


def now() -> str:
    """The present moment, as messages say it."""
    return datetime.now(UTC).isoformat()


class Agent:
    """Speaks for an issuer and its creditors, and hears what is meant for them; tells it all to `say`."""

    def __init__(
        self, parameters: pika.URLParameters, say: Callable[[str], None], show: Callable[[Message], str]
    ) -> None:
        self.say = say
        self._show = show
        self._unread: list[Message] = []
        self._channel = pika.BlockingConnection(parameters).channel()
        self._channel.confirm_delivery()
        # Exclusive: it goes when we go.  Until then the server finds somebody who takes its answers.
        self._queue = self._channel.queue_declare("", exclusive=True).method.queue

    def hear_own(self) -> None:
        """Take what is meant for the accounts of the tour."""
        for creditor_id in (ALICE, BOB, CAROL):
            self._channel.queue_bind(self._queue, "to_creditors", agent_key(creditor_id))
        self._channel.queue_bind(self._queue, "to_debtors", agent_key(DEBTOR))

    def hear_everything(self) -> None:
        """Take what is meant for anybody."""
        self._channel.queue_bind(self._queue, "to_creditors", "#")
        self._channel.queue_bind(self._queue, "to_debtors", "#")
        self._channel.queue_bind(self._queue, "to_coordinators", "", {"x-match": "all"})

    def send(self, message_type: str, **fields: Any) -> Message:
        """Send a message to the server."""
        message = {"type": message_type, "debtor_id": DEBTOR, **fields, "ts": now()}
        self.send_again(message)
        return message

    def send_again(self, message: Message) -> None:
        """Send this very message, maybe not for the first time."""
        self.say(f"   → {self._show(message)}")
        self._channel.basic_publish(
            "accounts_in",
            account_key(DEBTOR, message["creditor_id"]),
            json.dumps(message, ensure_ascii=False).encode(),
            pika.BasicProperties(content_type="application/json", type=message["type"], delivery_mode=2),
            mandatory=True,
        )

    def expect(self, message_type: str, **fields: Any) -> Message:
        """Wait for a message with these fields; what else comes is kept for later."""
        limit = time.monotonic() + PATIENCE_SECONDS
        wanted = {"type": message_type, **fields}.items()
        while (found := next((one for one in self._unread if wanted <= one.items()), None)) is None:
            arrived = self.receive(max(0.0, limit - time.monotonic()))
            if arrived is None:
                raise TourError(f"No {message_type} within {PATIENCE_SECONDS:.0f} s: is the server running?")
            self._unread.append(arrived[1])
        self._unread.remove(found)
        self.say(f"   ← {self._show(found)}")
        return found

    def receive(self, seconds: float | None) -> tuple[str, Message] | None:
        """The next message and where it was sent to; None if none comes in time."""
        method, _, body = next(self._channel.consume(self._queue, inactivity_timeout=seconds))
        if method is None:
            return None
        self._channel.basic_ack(method.delivery_tag)
        return f"{method.exchange} {method.routing_key}", json.loads(body)


def shown(message: Message) -> str:
    """One line with what matters of a message."""
    return f"{message['type']:<17} " + " ".join(f"{n}={message[n]}" for n in SHOWN[message["type"]])


def printable(line: str) -> str:
    """The line without characters that a terminal would obey: notes are written by others."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def whole(message: Message) -> str:
    """One line with all of a message."""
    return json.dumps(message, ensure_ascii=False)


def configure(
    agent: Agent, creditor_id: int, negligible_amount: float, config_data: str = "", **expected: Any
) -> None:
    """Open an account, or configure it anew, and wait for its announcement with what is expected of it."""
    sent = agent.send(
        "ConfigureAccount",
        creditor_id=creditor_id,
        negligible_amount=negligible_amount,
        config_flags=0,
        config_data=config_data,
        seqnum=0,
    )
    agent.expect("AccountUpdate", creditor_id=creditor_id, last_config_ts=sent["ts"], **expected)


def prepare(agent: Agent, coordinator_type: str, sender: int, recipient: int, amount: int) -> Message:
    """Ask to lock an amount; `expect` the answer."""
    return agent.send(
        "PrepareTransfer",
        creditor_id=sender,
        coordinator_type=coordinator_type,
        coordinator_id=DEBTOR if coordinator_type == "issuing" else sender,
        coordinator_request_id=time.time_ns(),
        min_locked_amount=amount,
        max_locked_amount=amount,
        recipient=str(recipient),
        final_interest_rate_ts=NO_DEADLINE,
        max_commit_delay=3600,
    )


def answer_to(request: Message) -> Message:
    """What an answer to a request has in common with it."""
    return {"coordinator_request_id": request["coordinator_request_id"]}


def commit(agent: Agent, request: Message, prepared: Message, note: str) -> None:
    """Let the locked amount go to the recipient."""
    agent.send(
        "FinalizeTransfer",
        creditor_id=request["creditor_id"],
        transfer_id=prepared["transfer_id"],
        coordinator_type=request["coordinator_type"],
        coordinator_id=request["coordinator_id"],
        coordinator_request_id=request["coordinator_request_id"],
        committed_amount=prepared["locked_amount"],
        transfer_note=note,
        transfer_note_format="",
    )
    agent.expect("FinalizedTransfer", **answer_to(request))


def play(agent: Agent) -> None:
    """The whole story, from a new currency to a refused payment."""
    agent.hear_own()
    agent.say("1. An issuer makes a currency: at most 1,000,000 of it, with 5 % interest.")
    configure(agent, ROOT, 1e6, '{"type":"RootConfigData","rate":5.0}')

    agent.say("2. Alice and Bob open accounts, and want to hear of every amount.")
    configure(agent, ALICE, 0.0)
    configure(agent, BOB, 0.0)

    agent.say("3. The issuer issues 1000 to Alice.")
    request = prepare(agent, "issuing", ROOT, ALICE, 1000)
    commit(agent, request, agent.expect("PreparedTransfer", **answer_to(request)), "Salary")
    agent.expect("AccountTransfer", creditor_id=ALICE, transfer_note="Salary")

    agent.say("4. Alice pays 250 to Bob. Her request is delivered twice, which makes no second transfer.")
    request = prepare(agent, "direct", ALICE, BOB, 250)
    agent.send_again(request)
    agent.expect("PreparedTransfer", **answer_to(request))
    commit(agent, request, agent.expect("PreparedTransfer", **answer_to(request)), "Lunch")
    agent.expect("AccountTransfer", creditor_id=ALICE, transfer_note="Lunch")
    agent.expect("AccountTransfer", creditor_id=BOB, transfer_note="Lunch")

    agent.say("5. Alice tries to pay more than she has.")
    request = prepare(agent, "direct", ALICE, BOB, 1_000_000_000)
    agent.expect("RejectedTransfer", **answer_to(request))


def across(agent: Agent) -> None:
    """Payments between two shards; on one server of all accounts the same comes, at once."""
    agent.hear_own()
    agent.say("1. An issuer makes a currency; the key of its root account begins with 1.")
    configure(agent, ROOT, 1e6, '{"type":"RootConfigData","rate":5.0}')

    agent.say(
        "2. Bob's account is on the same shard. Carol's key begins with 0: her shard asks for the rate."
    )
    configure(agent, BOB, 0.0)
    configure(agent, CAROL, 0.0, interest_rate=5.0)

    agent.say("3. The issuer issues 300 to Carol. Her shard is asked first whether she can be paid.")
    request = prepare(agent, "issuing", ROOT, CAROL, 300)
    commit(agent, request, agent.expect("PreparedTransfer", **answer_to(request)), "Wage")
    agent.expect("AccountTransfer", creditor_id=CAROL, transfer_note="Wage")

    agent.say("4. Carol pays 120 to Bob: each hears of it from the shard of the own account.")
    request = prepare(agent, "direct", CAROL, BOB, 120)
    commit(agent, request, agent.expect("PreparedTransfer", **answer_to(request)), "Rent")
    agent.expect("AccountTransfer", creditor_id=CAROL, transfer_note="Rent")
    agent.expect("AccountTransfer", creditor_id=BOB, transfer_note="Rent")

    agent.say("5. Bob tries to pay somebody on the other shard who does not exist.")
    request = prepare(agent, "direct", BOB, NOBODY, 10)
    agent.expect("RejectedTransfer", **answer_to(request))


def watch(agent: Agent) -> None:
    """Show all that the server sends, for ever."""
    agent.hear_everything()
    while (arrived := agent.receive(None)) is not None:
        agent.say(f"{arrived[0]} {whole(arrived[1])}")


ACTIONS: Final[dict[str, Callable[[Agent], None]]] = {"play": play, "across": across, "watch": watch}


def say(line: str) -> None:
    """Print a line at once.  Raises SystemExit when nobody reads any more, as behind `head`."""
    try:
        sys.stdout.write(printable(line) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still to be written at the exit would be refused as well, with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def run(action: Callable[[Agent], None], url: str, show: Callable[[Message], str]) -> None:
    """Do it, and turn what pika says into words.  Raises TourError."""
    try:
        parameters = pika.URLParameters(url)
    except (ValueError, LookupError):
        raise TourError("PROTOCOL_BROKER_URL: must be like amqp://user:password@host:5672") from None
    try:
        action(Agent(parameters, say, show))
    except (pika.exceptions.ChannelClosedByBroker, pika.exceptions.UnroutableError):
        raise TourError("The broker lacks the server's exchanges or queue: start the server first.") from None
    except (pika.exceptions.AMQPError, OSError) as error:
        raise TourError(f"No connection to the broker of PROTOCOL_BROKER_URL: {error!r}") from None


def main() -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description="A small agent, for the tour in README.md.")
    parser.add_argument("action", choices=tuple(ACTIONS), help="send and show a story; or show all")
    parser.add_argument("--json", action="store_true", help="play, across: show whole messages")
    options = parser.parse_args()
    url = os.environ.get("PROTOCOL_BROKER_URL", "amqp://guest:guest@localhost:5672")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(ACTIONS[options.action], url, whole if options.json else shown)
    except KeyboardInterrupt:
        return 0
    except TourError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
