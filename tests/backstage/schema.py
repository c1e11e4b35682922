"""The tables of a database, as tests ask for them."""

from swpt_accounts.storage.migrations import found_versions, misfit


def is_migrated(url: str) -> bool:
    """Whether the tables are those of this version."""
    return misfit(found_versions(url)) is None
