"""What the wheel ships besides the package: the migrations, the protocol, and the manual for operators.

They stand at the top of the tree, where `flask db` and people look, and inside the package for
those who install it.  An editable install finds them where they stand.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ShippedFiles(BuildHookInterface[Any]):
    """Adds `migrations/`, `protocol.rst` and the manual to a wheel, inside the package."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by the build backend before each build."""
        if version != "editable":
            for name in ("migrations", "protocol.rst"):
                build_data["force_include"][name] = f"swpt_accounts/{name}"
            for name in ("running", "operators.md", "console.md", "broker-users.md", "upgrades.md"):
                build_data["force_include"][f"docs/{name}"] = f"swpt_accounts/manual/{name}"
