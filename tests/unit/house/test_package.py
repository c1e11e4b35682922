"""The wheel: what a package page shows of it, and that its version is the one that documents speak of."""

import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from hatch_build import readme_of_package, urls

TOP = Path(__file__).parents[3]
HOME = "https://forge.example/us/server"
README = (TOP / "README.md").read_text()
PROJECTS = {
    name: tomllib.loads((TOP / name / "pyproject.toml").read_text())["project"] for name in ("", "client")
}


def targets(text):
    """Where the links and pictures of a document lead, without those in code."""
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def test_every_link_of_a_package_page_leads_to_a_file():
    """Those of the README become addresses of what stands in the tree at the tag of the version."""
    found = targets(readme_of_package(README, HOME, "v1.0.0"))
    assert len(found) == len(targets(README)) > 20
    for target in found:
        kind, _, name = target.removeprefix(f"{HOME}/").partition("/v1.0.0/")
        assert kind == ("raw" if name.endswith(".png") else "blob")
        assert (TOP / urlsplit(name).path).exists()


def test_whoever_unpacks_the_source_has_the_whole_tree():
    """Its tests and its Makefile use the rest."""
    config = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["sdist"]
    listed = subprocess.run(
        ["git", "ls-files"], cwd=TOP, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    names = {name.partition("/")[0] for name in listed} or {"swpt_accounts"}
    # What builds it, hatch adds by itself.
    assert [
        name
        for name in sorted(names - {"pyproject.toml"})
        if not any(fnmatch(f"/{name}", pattern) for pattern in config["include"])
    ] == []


def test_the_readme_of_the_client_is_alone_on_its_page():
    """It names its guide, and links to nothing; the source distribution has the guide and its programs."""
    config = tomllib.loads((TOP / "client" / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert targets((TOP / "client" / "README.md").read_text()) == []
    assert {"/GUIDE.md", "/examples", "/README.md"} <= set(config["targets"]["sdist"]["include"])


def test_no_address_is_made_up():
    """A README whose place nobody has told leads nowhere: its links are words, and it has no pictures."""
    text = "![A picture](docs/x.png) and [a `word`](x.md#y), [elsewhere](https://x.example/y)\n```\n[a](b)\n```\n"
    page = " and a `word`, [elsewhere](https://x.example/y)\n```\n[a](b)\n```\n"
    assert readme_of_package(text, "", "v1.0.0") == page
    assert targets(readme_of_package(README, "", "v1.0.0")) == []
    assert urls("", "v1.0.0") == {}


@pytest.mark.parametrize(
    "home", ["forge.example/us", "http://forge.example/us", "https:///us", f"{HOME}?x=1"]
)
def test_an_address_that_is_none_ends_the_build(home):
    """It would stand on the package page for ever."""
    with pytest.raises(ValueError, match="must be an address like"):
        urls(home, "v1.0.0")


def test_all_speak_of_the_same_version():
    """Server and client, the newest release of the changelog, and the image that Kubernetes runs."""
    [version] = {project["version"] for project in PROJECTS.values()}
    [newest, *_] = re.findall(
        r"^## \[(\d[^]]*)\] - \d{4}-\d\d-\d\d$", (TOP / "CHANGELOG.md").read_text(), re.M
    )
    assert newest == version
    [image] = yaml.safe_load((TOP / "deploy" / "kubernetes" / "kustomization.yaml").read_text())["images"]
    assert image["newTag"] == version
