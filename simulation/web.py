"""The web role of a shard in the simulation: its own application, which answers one question at a time."""

from swpt_accounts.shards.app import create_app

from .actors import current, step
from .processes import Process, Surroundings
from .questions import Answer, Question


class Web(Process):
    """Answers the other shards."""

    def __init__(self, name: str, around: Surroundings) -> None:
        super().__init__(name, around)
        self._application = create_app(around.settings).test_client()
        self._in_hand: Question | None = None
        self.begin("requests", self._work)

    def _work(self) -> None:
        actor, network, realm = current(), self.around.network, self.around.settings.realm()
        assert actor is not None, "it works as an actor"
        while True:
            actor.sleep("questions", lambda: network.has_some(realm))
            question = self._in_hand = network.take(realm)
            step("asked")
            response = self._application.open(question.path, method=question.method, data=question.body)
            self._in_hand = None
            network.reply(question, Answer(response.status_code, dict(response.headers), response.data))
            step("answered")

    def drop_connection(self) -> None:
        """The connection of the question at hand is lost."""
        super().drop_connection()
        question, self._in_hand = self._in_hand, None
        if question is not None:
            self.around.network.reset(question)
