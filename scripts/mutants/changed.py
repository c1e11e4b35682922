"""The files that a change touches, as git tells them."""

import subprocess

from .parts import TOP, Part


def changed_files(part: Part, since: str) -> list[str]:
    """Files of a part, of those that are mutated, that differ from where this branch has left `since`.

    What is not committed yet counts as well.
    """
    base = _git("merge-base", since, "HEAD")[0]
    names = [
        *_git("diff", "--name-only", "--diff-filter=d", base),
        *_git("ls-files", "--others", "--exclude-standard"),
    ]
    paths = [
        (TOP / name).relative_to(part.folder) for name in names if (TOP / name).is_relative_to(part.folder)
    ]
    return sorted({str(path) for path in paths if part.mutates(str(path))})


def _git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=TOP, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()
