"""`fmdiag datasets`: the named data sets, and which of them are on this machine."""


import click

from .echo import echo, echo_json

WIDTH_WITHOUT_TERMINAL = 200


@click.command("datasets")
@click.option("--data-root", type=click.Path(file_okay=False), help="Folder of downloaded data sets.  "
              "[default: FMDIAG_DATA_ROOT, else the user's data folder]")
@click.option("--json", "as_json", is_flag=True, help="Print every card as JSON on stdout.")
def command(data_root, as_json):
    """List the named data sets and whether they are here.

    Any folder of pictures and any npy, npz, pt, safetensors, idx, Parquet, zip or tar file can be given instead of a
    name. Nothing is downloaded by this command.

    \b
    Examples:
      fmdiag datasets
      fmdiag datasets --data-root /data --json
      fmdiag alignment --dataset photo-tiles --size 64
    """
    from fmdiag.datasets.named import listing

    sets, root = listing(data_root)
    if as_json:
        echo_json({"data_root": str(root), "datasets": sets}, indent=1)
        return
    _print_table(sets)
    echo(f"data root: {root}")


def _print_table(sets):
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    from fmdiag.errors import printable

    table = Table("name", "shape", "n train", "n test", "here", "licence", Column("source", overflow="fold"), box=None,
                  pad_edge=False)
    for card in sets:
        table.add_row(card["name"], " x ".join(map(str, card["shape"])), str(card["n_train"]), str(card["n_test"]),
                      escape(printable(card["here"] or "no")), card["licence"], card["source"])
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)
    console.print(table)
