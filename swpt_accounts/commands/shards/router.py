"""The command `router`: the configuration of nginx that leads to the shards of a node."""

from pathlib import Path

import click


@click.command()
@click.argument("parts", nargs=-1, required=True)
@click.option(
    "--folder",
    required=True,
    type=click.Path(file_okay=False, writable=True, path_type=Path),
    help="Where the files go, and where nginx has its own.",
)
@click.option("--listen", default="127.0.0.1:8000", show_default=True, help="Where the shards ask.")
@click.option("--module", help="The file of nginx's module for njs.  [default: that of Debian]")
def router(parts: tuple[str, ...], folder: Path, listen: str, module: str | None) -> None:
    """Write the configuration of nginx as the router of a node.

    PARTS are all realms with the addresses of their HTTP interfaces (WEBSERVER_PORT), such as
    `0.#=10.0.0.1:8080 1.#=10.0.0.2:8080,10.0.0.3:8080`.  They must cover every key once.  nginx needs its
    module for njs (Debian: nginx-light and libnginx-mod-http-js), and is started by
    `nginx -c FOLDER/nginx.conf`; after another list of parts, `nginx -s reload` lets go of no question.
    """
    from swpt_accounts.operators.inspection.shards.router import CONFIGURATION, MODULE, files_of, parts_of

    place = folder.absolute()
    made = files_of(parts_of(parts), folder=str(place), listen=listen, module=module or MODULE)
    place.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        new = place / (name + ".new")
        new.write_text(text)
        new.replace(place / name)
    click.echo(f"written: start it by `nginx -c {place / CONFIGURATION}`")
