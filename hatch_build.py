"""What the wheel ships besides the package: the migrations.

They stand at the top of the tree, where `flask db` looks, and inside the package for
those who install it.  An editable install finds them where they stand.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ShippedFiles(BuildHookInterface[Any]):
    """Adds `migrations/` to a wheel, at the place where the package looks."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by the build backend before each build."""
        if version != "editable":
            build_data["force_include"]["migrations"] = "swpt_accounts/migrations"
