"""What can be wrong with the broker, each as one clear line.

All are BrokerConnectionErrors of Dramatiq, so that its worker treats them as an outage
and never as the fault of a message.
"""

import socket
import ssl

import pika.exceptions
from dramatiq.errors import BrokerConnectionError


class BrokerProblem(BrokerConnectionError):
    """The broker cannot be used now; the text says why."""

    def __init__(self, message: str) -> None:
        super().__init__(message)  # type: ignore[no-untyped-call]


class CannotReach(BrokerProblem):
    """Nobody answers at the broker's address, or no AMQP broker does."""


class WrongPassword(BrokerProblem):
    """The broker knows no such user with this password."""


class NoSuchVirtualHost(BrokerProblem):
    """The virtual host does not exist, or the user may not enter it."""


class QueueMissing(BrokerProblem):
    """The queue does not exist."""


class QueueFull(BrokerProblem):
    """The queue takes no more messages now; who publishes them keeps them."""


class ConnectionLost(BrokerProblem):
    """A connection that had been working is gone."""


class ChannelClosed(BrokerProblem):
    """The broker closed our channel because of something that we did on it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"the broker closed the channel: {code} {text}")
        self.code = code


class NotRouted(BrokerProblem):
    """A message was published, but no queue wanted it, or the broker refused it."""


def refused(code: int, text: str, where: str) -> BrokerProblem:
    """The problem behind a connection.close that answers an attempt to connect."""
    if code == 403:
        return WrongPassword(f"wrong password or unknown user for the broker at {where}: {text}")
    if code == 530:
        return NoSuchVirtualHost(f"no such virtual host, or no access to it, at {where}: {text}")
    return ConnectionLost(f"the broker at {where} refused the connection: {code} {text}")


def unreachable(error: OSError, where: str) -> CannotReach:
    """The problem behind an error of the socket."""
    if isinstance(error, socket.gaierror):
        reason = "unknown host name"
    elif isinstance(error, TimeoutError):
        reason = "no answer in time"
    elif isinstance(error, ssl.SSLError):
        reason = f"TLS failed ({getattr(error, 'reason', None) or error})"
    else:
        reason = error.strerror or str(error) or type(error).__name__
    return CannotReach(f"cannot reach the broker at {where}: {reason}")


def explained(error: BaseException, where: str) -> BrokerProblem:
    """The problem behind an exception of pika."""
    seen = _involved(error)
    for one in seen:
        if isinstance(one, BrokerProblem):
            return one
        if isinstance(one, pika.exceptions.ConnectionClosed):
            return refused(one.reply_code, one.reply_text, where)
        if isinstance(one, pika.exceptions.ChannelClosed):
            return ChannelClosed(one.reply_code, one.reply_text)
        if isinstance(one, pika.exceptions.ProbableAuthenticationError):
            return WrongPassword(f"wrong password or unknown user for the broker at {where}")
        if isinstance(one, pika.exceptions.ProbableAccessDeniedError):
            return NoSuchVirtualHost(f"no such virtual host, or no access to it, at {where}")
    for one in seen:
        if isinstance(one, OSError):
            return unreachable(one, where)
    return CannotReach(f"cannot reach the broker at {where}: {str(error) or 'nobody answers there'}")


def _involved(error: BaseException) -> list[BaseException]:
    """The exception and all that stand behind it; pika hides them in several places."""
    seen: list[BaseException] = []
    left: list[object] = [error]
    while left:
        one = left.pop(0)
        if isinstance(one, BaseException) and one not in seen:
            seen.append(one)
            left += (*one.args, *getattr(one, "exceptions", ()), one.__cause__, one.__context__)
    return seen
