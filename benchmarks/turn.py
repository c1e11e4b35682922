"""One of the checkouts that `by_turns` compares: a program of its own, in whose folder lies what it measures.

Each line of the standard input asks for so many transfers, and is answered with an outcome.
"""

import sys
from pathlib import Path


def main() -> None:
    """Serve until the input ends.  Arguments: the database, how many accounts, messages of a batch, how many
    of a hundred transfers are refused.
    """
    sys.path.insert(0, str(Path.cwd()))
    import msgspec

    from benchmarks.procedures import Rounds, workbench

    postgres_url, (accounts, batch_messages, refused) = sys.argv[1], map(int, sys.argv[2:])
    with workbench(postgres_url) as bench:
        rounds = Rounds(bench, accounts, batch_messages, refused)
        rounds.warm_up()
        print("{}", flush=True)
        for line in sys.stdin:
            print(msgspec.json.encode(rounds.work(int(line))).decode(), flush=True)


if __name__ == "__main__":
    main()
