"""Worker and database on two hosts, and the cable between them: a case small enough for every run.

The others, with `chaos`, are in test_network.py and test_failover.py.
"""

from contextlib import ExitStack

from swpt_accounts.storage import migrations
from tests.backstage.proxy import Proxy
from tests.backstage.server import Server
from tests.services.errors import ServiceMissing, give_up
from tests.services.network import several_hosts
from tests.services.replication import one_instance

from .losing import Story


def test_a_cable_that_was_cut_under_load_is_mended_and_nothing_is_lost(amqp_url):
    """The database does not answer, and nobody says good-bye; afterwards all goes on by itself."""
    with ExitStack() as stack:
        try:
            here, there = stack.enter_context(several_hosts(2))
            # What a power failure would lose is another test's matter.
            database = stack.enter_context(one_instance(there, fsync="off"))
        except ServiceMissing as error:
            give_up(error)
        migrations.upgrade(database.url())
        wire = Proxy(amqp_url, here.near)
        stack.callback(wire.close)
        server = Server(f"{database.url()}?tcp_user_timeout=3000", wire.url, ACCOUNT_UPDATE_MIN_INTERVAL="2")
        story = Story(stack, server, amqp_url, here, transfers=400)
        story.begin(0.25)
        # Messages still arrive, so that the worker surely notices.
        there.cut()
        story.commands["worker"].wait_for("The database is away")
        assert not story.bank.is_over, "it was cut in the middle"
        there.plug()
        story.end(database.url())
