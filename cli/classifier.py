"""`fmdiag classifier`: train the classifier in whose embedding studies measure (Bertrand et al., appendix C)."""

import click

from .completion import DataSet
from .echo import echo, echo_json
from .options import SEED


@click.command()
@click.option("--dataset", type=DataSet(), metavar="NAME|PATH", default="fashion-mnist", show_default=True,
              help="Labelled images with a test part.")
@click.option("--size", type=click.IntRange(4), help="Image side that pictures are resized to.")
@click.option("--epochs", type=click.IntRange(1), default=6, show_default=True, help="Passes over the examples.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of weights, order and dropout.")
@click.option("--data-root", type=click.Path(file_okay=False), help="Folder of downloaded data sets.")
@click.option("--out", type=click.Path(file_okay=False), help="Folder that the file is put into.  [default: the user's "
              "cache, where studies look]")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
def command(dataset, size, epochs, seed, data_root, out, as_json):
    """Train a small classifier whose 128-dimensional embedding is the feature space of studies.

    One for Fashion-MNIST comes with fmdiag.

    \b
    Example:
      fmdiag classifier --dataset mnist --epochs 8
    """
    import torch

    from fmdiag.datasets import load_dataset
    from fmdiag.features.classifier import classifier_file, classifiers_folder, save_classifier
    from fmdiag.features.classifier_training import train_classifier
    from fmdiag.results import check_writable

    torch.set_flush_denormal(True)
    training_set = load_dataset(dataset, size=size, data_root=data_root)
    file = classifier_file(training_set, out or classifiers_folder(data_root))
    check_writable(file)
    content = train_classifier(training_set, epochs=epochs, seed=seed, progress=lambda epoch, loss: echo(
        f"epoch {epoch}/{epochs}  cross-entropy {loss:.4g}", err=True))
    save_classifier(content, file)
    result = {"classifier": str(file), "accuracy": content["accuracy"], "epochs": epochs, "seed": seed}
    if as_json:
        echo_json(result)
    else:
        echo("\n".join(f"{name:<11} {value}" for name, value in result.items()))
