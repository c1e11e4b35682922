"""What a wheel says of the project, and what it ships besides the package.

The migrations, the protocol and the manual stand at the top of the tree, where `flask db` and people look,
and inside the package for those who install it.  An editable install finds them where they stand.

A page of a package index shows the README, but none of the files that it leads to.  Whoever publishes says
where they are, as PROJECT_URL=https://HOST/OWNER/NAME; without that, no address is made up: the README of the
wheel has the words of its links, and no pictures.
"""

import os
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK: Final = re.compile(r"(?P<sign>!?)\[(?P<words>(?:[^]\[]|\[[^]]*\])*)\]\((?P<target>[^)\s]+)\)")


class ShippedFiles(BuildHookInterface[Any]):
    """Adds `migrations/`, `protocol.rst` and the manual to a wheel, inside the package."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by the build backend before each build."""
        if version != "editable":
            for name in ("migrations", "protocol.rst"):
                build_data["force_include"][name] = f"swpt_accounts/{name}"
            for name in ("running", "operators.md", "console.md", "broker-users.md", "upgrades.md"):
                build_data["force_include"][f"docs/{name}"] = f"swpt_accounts/manual/{name}"


class PackagePage(MetadataHookInterface):
    """Makes the README and the addresses of the metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by the build backend with the table `project`."""
        home = os.environ.get("PROJECT_URL", "").rstrip("/")
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        page = readme_of_package(text, home, f"v{metadata['version']}")
        metadata["readme"] = {"content-type": "text/markdown", "text": page}
        metadata["urls"] = urls(home, f"v{metadata['version']}")


def urls(home: str, tag: str) -> dict[str, str]:
    """The addresses of a project, which may have no home.  Raises ValueError if that is no address."""
    if not home:
        return {}
    parts = urlsplit(home)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"PROJECT_URL={home}: must be an address like https://HOST/OWNER/NAME")
    return {
        "Source": home,
        "Documentation": f"{home}/blob/{tag}/README.md",
        "Changelog": f"{home}/blob/{tag}/CHANGELOG.md",
        "Issues": f"{home}/issues",
    }


def readme_of_package(text: str, home: str, tag: str) -> str:
    """A README whose links and pictures lead to the files of a tag; without a home, nowhere."""

    def lead(found: re.Match[str]) -> str:
        sign, words, target = found["sign"], found["words"], found["target"]
        if urlsplit(target).scheme or target.startswith("#"):
            return found[0]
        if not home:
            return "" if sign else words
        folder = f"{home}/{'raw' if sign else 'blob'}/{tag}/"
        return f"{sign}[{words}]({urljoin(folder, target)})"

    # What is code is shown as it is.
    parts = re.split(r"(^```.*?^```$)", text, flags=re.M | re.S)
    return "".join(part if part.startswith("```") else _LINK.sub(lead, part) for part in parts)
