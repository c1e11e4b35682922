"""A PostgreSQL that archives its log, and one for a moment of its past."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Final

from .errors import ServiceMissing
from .replication import Instance, folder_of_server, give_to_server

_RECOVERY_SECONDS: Final = 60.0


class Past(Instance):
    """A base backup of a server that runs, and later that server as it was at a restore point."""

    def back_up(self, primary: Instance) -> None:
        """Copy it."""
        source = f"host={primary.address} port={primary.port} user=postgres"
        self.run("pg_basebackup", "-d", source, "-D", str(self._data), "--checkpoint=fast")

    def recover(self, archive: Path, target: str) -> None:
        """Start from the base backup and the archived log, and take writes from this restore point on."""
        signal = self._data / "recovery.signal"
        signal.touch()
        give_to_server(signal)
        self.start(
            restore_command=f"cp {archive}/%f %p",
            recovery_target_name=target,
            recovery_target_action="promote",
        )
        limit = monotonic() + _RECOVERY_SECONDS
        while self.rows("SELECT pg_is_in_recovery()") != [(False,)]:
            if monotonic() > limit:
                raise ServiceMissing("PostgreSQL does not recover")
            sleep(0.05)


@contextmanager
def primary_with_archive() -> Iterator[tuple[Instance, Past, Path]]:
    """One that runs and archives its log, one for its past, and the archive.  Raises ServiceMissing."""
    with folder_of_server() as (programs, folder):
        primary, past = Instance(programs, folder, "primary"), Past(programs, folder, "past")
        archive = folder / "archive"
        archive.mkdir()
        give_to_server(archive)
        try:
            primary.make()
            primary.start(
                wal_level="replica",
                archive_mode="on",
                # Who sees a file there sees all of it.
                archive_command=f"cp %p {archive}/%f.part && mv {archive}/%f.part {archive}/%f",
            )
            yield primary, past, archive
        finally:
            past.kill()
            primary.kill()
