"""The measurements: each drives something several times and makes rows of what it has seen.

What is compared is measured by turns, because a machine is never as quiet in one minute as in another.
"""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from statistics import median
from time import monotonic, sleep
from typing import Final

import msgspec

from . import core, growth, memory, pressure, procedures, processor_time
from .books import Outcome
from .counters import Counts, Meter
from .generator import drive
from .load import Load
from .server import Server, running_ceiling
from .site import Site
from .table import Row

_IDLE_SECONDS: Final = 20.0
_ENOUGH_TRANSFERS: Final = 10_000


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How much of each is done; a small scale only shows that everything works."""

    transfers: int = 20_000
    rounds: int = 3
    factor: float = 1.0
    memory_minutes: float = 10.0

    def of(self, number: int) -> int:
        """A number at this scale."""
        return max(1, round(number * self.factor))

    def judge(self, is_reached: bool) -> bool | None:
        """A verdict, unless the run is too small for one."""
        is_enough = self.factor >= 1.0 and self.transfers >= _ENOUGH_TRANSFERS
        return is_reached if is_enough else None


class Lab:
    """A server and a ceiling, each on a virtual host of its own, with all that was measured."""

    def __init__(self, site: Site, scale: Scale, stack: ExitStack) -> None:
        self._site = site
        self._stack = stack
        self.scale = scale
        self._ceiling_url = stack.enter_context(site.vhost())
        self._server = self._new_server()
        self.runs: defaultdict[str, list[Outcome]] = defaultdict(list)

    def rate(self, name: str) -> float:
        """The median of the runs of this name, in transfers per second."""
        return median(run.rate for run in self.runs[name])

    # -- throughput ----------------------------------------------------------------------------

    def sustained(self) -> list[Row]:
        """The rate beside the ceiling's; one recipient or one sender beside the uniform rate."""
        transfers = self.scale.of(self.scale.transfers)
        for _ in range(self.scale.rounds):
            self._run_ceiling("ceiling", transfers)
            self._run("server", self._server, Load(transfers=transfers))
            self._run("hot", self._server, Load(transfers=transfers, pattern="hot recipient"))
            self._run("one sender", self._server, Load(transfers=transfers, pattern="one sender"))
        return [
            self._ratio("sustained, window 1000, 1,000 accounts", "server", "ceiling", 0.70, "the ceiling"),
            self._ratio("all to one recipient", "hot", "server", 0.9, "uniform"),
            self._ratio("all from one sender", "one sender", "server", 0.9, "uniform"),
        ]

    def careful(self) -> list[Row]:
        """What it costs to acknowledge after the confirms, and to be told what no queue wants."""
        transfers = self.scale.of(self.scale.transfers)
        for _ in range(self.scale.rounds):
            self._run_ceiling("ceiling", transfers)
            self._run_ceiling("careful ceiling", transfers, "--careful")
        return [self._ratio("the ceiling, careful", "careful ceiling", "ceiling", None, "the careless one")]

    def two_workers(self) -> list[Row]:
        """Two worker processes beside one."""
        transfers = self.scale.of(self.scale.transfers)
        for _ in range(self.scale.rounds):
            self._run("one worker", self._server, Load(transfers=transfers))
            self._run("two workers", self._server, Load(transfers=transfers), workers=2)
        return [self._ratio("two workers, verified as ever", "two workers", "one worker", None, "one")]

    def _ratio(self, what: str, name: str, other: str, least: float | None, whose: str) -> Row:
        """Compares the runs of each round with each other: what comes later may meet another machine."""
        rounds = zip(self.runs[name], self.runs[other], strict=True)
        ratio = median(one.rate / another.rate for one, another in rounds)
        return Row(
            what=what,
            target="" if least is None else f">= {least:.2f} x {whose}",
            measured=f"{self.rate(name):,.0f}/s = {ratio:.2f} x {self.rate(other):,.0f}/s",
            is_reached=None if least is None else self.scale.judge(ratio >= least),
            details={one: [run.rate for run in self.runs[one]] for one in (name, other)},
        )

    # -- the database --------------------------------------------------------------------------

    def counted(self) -> list[Row]:
        """What PostgreSQL counts in one more run, after a checkpoint and a warm-up."""
        meter = Meter(self._server.postgres_url)
        counts: list[Counts] = []
        try:
            meter.write_checkpoint()
            transfers = self.scale.of(self.scale.transfers)
            load = Load(transfers=transfers, warm_up=self.scale.of(5000))
            with self._server.running(1, "chores") as roles:
                drive(self._server.amqp_url, load, roles, lambda: counts.append(meter.read()))
        finally:
            meter.close()
        cost = counts[1].per_transfer(counts[0], transfers)
        images = cost["full_page_images"]
        wal = f"{cost['wal_bytes']:,.0f} bytes, with {images:.4f} full-page images"
        rows = [
            ("commits per transfer", 0.1, cost["commits"], f"{cost['commits']:.4f}"),
            ("write-ahead log per transfer", 2000, cost["wal_bytes"], wal),
            ("row versions per transfer", 8, cost["row_versions"], f"{cost['row_versions']:.2f}"),
        ]
        return [
            Row(
                what=what,
                target=f"<= {most:,}",
                measured=text,
                is_reached=self.scale.judge(value <= most),
                details=cost,
            )
            for what, most, value, text in rows
        ]

    def procedures(self) -> list[Row]:
        """The procedures without a broker."""
        outcomes = []
        for _ in range(self.scale.rounds):
            with self._site.database() as url:
                outcomes.append(
                    procedures.run(
                        url,
                        transfers=self.scale.of(self.scale.transfers),
                        accounts=max(2, self.scale.of(10_000)),
                    )
                )
        rate = median(one.rate for one in outcomes)
        middle = min(outcomes, key=lambda one: abs(one.rate - rate))
        cost = (
            f"{1e6 / middle.rate:.0f} us, in which Python works {middle.python_us:.0f} and "
            f"PostgreSQL {middle.postgresql_us:.0f}"
        )
        return [
            Row(
                what="procedures alone, batches of 500, 10,000 accounts",
                target=">= 10,000/s",
                measured=f"{rate:,.0f}/s: {cost}",
                is_reached=self.scale.judge(rate >= 10_000),
                details={"runs": [msgspec.to_builtins(one) for one in outcomes]},
            )
        ]

    # -- latency -------------------------------------------------------------------------------

    def idle(self) -> list[Row]:
        """One transfer at a time; then nothing at all."""
        load = Load(transfers=self.scale.of(300), window=1, pause_seconds=0.03, warm_up=50)
        for _ in range(self.scale.rounds):
            self._run("idle", self._server, load)
        cycles = [run.latencies_ms["cycle"] for run in self.runs["idle"]]
        p50, p99 = (median(cycle[name] for cycle in cycles) for name in ("p50", "p99"))
        used, others = self._use_of_nothing()
        return [
            Row(
                what="idle, one cycle, p50 / p99",
                target="<= 10 / 30 ms",
                measured=f"{p50:.1f} / {p99:.1f} ms",
                is_reached=self.scale.judge(p50 <= 10.0 and p99 <= 30.0),
                details={"runs": [run.latencies_ms for run in self.runs["idle"]]},
            ),
            Row(
                what="worker, chores and web when nothing arrives",
                target="<= 2 % of a core",
                measured=f"{used:.1f} %",
                is_reached=self.scale.judge(used <= 2.0),
                details=others,
            ),
        ]

    def _use_of_nothing(self) -> tuple[float, dict[str, float]]:
        seconds = max(2.0, _IDLE_SECONDS * self.scale.factor)
        with self._server.running(1, "chores", "web") as roles:
            sleep(min(5.0, seconds))
            before, started = processor_time.snapshot(), monotonic()
            sleep(seconds)
            split = processor_time.split(before, processor_time.snapshot(), monotonic() - started, roles)
        return sum(split.get(role, 0.0) for role in set(roles.values())), split

    def steady(self) -> list[Row]:
        """The latency of each phase at 70 % of the sustained rate; `sustained` comes first."""
        rate = 0.7 * self.rate("server")
        load = Load(
            transfers=self.scale.of(self.scale.transfers // 2), window=100_000, rate=rate, warm_up=2000
        )
        for _ in range(self.scale.rounds):
            self._run("steady", self._server, load)
        runs = self.runs["steady"]
        phases = {
            phase: median(run.latencies_ms[phase]["p99"] for run in runs)
            for phase in ("prepare", "finalize", "AccountTransfers")
        }
        return [
            Row(
                what=f"p99 of each phase at {rate:,.0f}/s",
                target="<= 100 ms",
                measured=", ".join(f"{phase} {p99:.0f}" for phase, p99 in phases.items()) + " ms",
                is_reached=self.scale.judge(max(phases.values()) <= 100.0),
                details={"runs": [msgspec.to_builtins(run) for run in runs]},
            )
        ]

    # -- the long ones -------------------------------------------------------------------------

    def memory(self) -> list[Row]:
        """The memory of the server's processes under load."""
        minutes = self.scale.memory_minutes * min(1.0, self.scale.factor)
        load = Load(transfers=1 << 40, seconds=60 * minutes)
        every = min(memory.SAMPLE_SECONDS, 6 * minutes)
        with self._server.running(1, "chores") as roles, memory.watching(roles, every) as watch:
            self.runs["memory"].append(drive(self._server.amqp_url, load, roles))
        return [
            Row(
                what=f"memory under {minutes:g} minutes of load: {name.split()[0]}",
                target="<= 200 MB, no slope",
                measured=f"{one.most:.0f} MB, {one.slope_per_hour:+.1f} MB/hour in the second half",
                is_reached=self.scale.judge(one.most <= 200.0 and one.slope_per_hour < 0.1 * one.most),
                details=msgspec.to_builtins(one),
            )
            for name, one in watch.results().items()
        ]

    def pressure(self) -> list[Row]:
        """The memory before a long queue, a blocked broker, a database that stands still."""
        many, some = self.scale.of(1_000_000), self.scale.of(300_000)
        seconds = 60.0 * min(1.0, self.scale.factor)
        with self._site.database() as url, pressure.press(url) as press:
            piles = [
                press.blocked_broker(some, seconds),
                press.stalled_database(some, seconds),
                press.backlog(many),
            ]
        return [
            Row(
                what=f"memory when work piles up: {one.name}",
                target="<= 200 MB",
                measured=f"{one.megabytes:.0f} MB, chores {one.chores_megabytes:.0f} MB; "
                f"{one.messages:,} messages at {one.per_second:,.0f}/s",
                is_reached=self.scale.judge(max(one.megabytes, one.chores_megabytes) <= 200.0),
                details=msgspec.to_builtins(one),
            )
            for one in piles
        ]

    def growth(self) -> list[Row]:
        """A million accounts, then ten million journal rows as well, beside an empty database."""
        accounts, journal = max(4, self.scale.of(1_000_000)), self.scale.of(10_000_000)
        crowded, old = self._new_server(), self._new_server()
        growth.make_accounts(crowded.postgres_url, accounts)
        growth.make_accounts(old.postgres_url, accounts)
        growth.make_journal(old.postgres_url, journal, accounts)
        active = min(1000, accounts // 2)
        among = Load(
            transfers=self.scale.of(self.scale.transfers),
            accounts=active,
            stride=accounts // active,
            debtor_id=growth.DEBTOR,
        )
        for _ in range(self.scale.rounds):
            self._run("small", self._server, msgspec.structs.replace(among, stride=1, debtor_id=0))
            self._run("crowded", crowded, among)
            self._run("old", old, among)
        return [
            self._ratio(f"{active:,} active of {accounts:,} accounts", "crowded", "small", 0.8, "the small"),
            self._ratio(f"the same with {journal:,} old journal rows", "old", "small", 0.8, "the small"),
        ]

    # -- helpers -------------------------------------------------------------------------------

    def _new_server(self) -> Server:
        enter = self._stack.enter_context
        return Server(enter(self._site.database()), enter(self._site.vhost()))

    def _run(self, name: str, server: Server, load: Load, workers: int = 1) -> None:
        with server.running(workers, "chores") as roles:
            self._note(name, drive(server.amqp_url, load, roles))

    def _run_ceiling(self, name: str, transfers: int, *options: str) -> None:
        with running_ceiling(self._ceiling_url, *options) as roles:
            self._note(name, drive(self._ceiling_url, Load(transfers=transfers), roles))

    def _note(self, name: str, outcome: Outcome) -> None:
        self.runs[name].append(outcome)
        print(f"  {name}: {outcome.rate:,.0f}/s", flush=True)


def cores(seconds: float) -> list[Row]:
    """The pure core and the codecs."""
    rates = msgspec.structs.asdict(core.run(seconds))
    return [
        Row(
            what=f"{name.replace('_', ' ')} per second of one core",
            target="",
            measured=f"{rate:,.0f} ({1e6 / rate:.1f} us each)",
            is_reached=None,
        )
        for name, rate in rates.items()
    ]


def processor_table(runs: Mapping[str, Sequence[Outcome]]) -> list[Row]:
    """Where the processors' time goes: microseconds per transfer, by role."""
    rows = []
    for name, outcomes in runs.items():
        roles = dict.fromkeys(role for run in outcomes for role in run.cpu_percent)
        costs = {
            role: median(1e4 * run.cpu_percent.get(role, 0.0) / run.rate for run in outcomes)
            for role in roles
        }
        text = ", ".join(f"{role} {cost:.0f}" for role, cost in costs.items() if cost >= 1)
        busy = median(sum(run.cpu_percent.values()) for run in outcomes) / (os.cpu_count() or 1)
        rows.append(
            Row(
                what=f"CPU of a transfer, {name}",
                target="",
                measured=f"{text} us; the machine is {busy:.0f} % busy",
                is_reached=None,
            )
        )
    return rows
