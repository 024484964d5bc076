"""The notebook of docs/: a network in memory, three diagnostics, plots, interruption and resume, the page.

`python -m docs.notebook` writes docs/first_steps.ipynb and runs it, so that its outputs are those of the code as it is.
"""

from pathlib import Path

FILE = Path(__file__).parent / "first_steps.ipynb"
CELLS = [
    ("markdown", """# A network in memory: does it memorise?

`fmdiag.Run` gives a notebook all that the command line has. Here a small network is trained on 64 digits for a
while, and asked whether it returns them. Everything below takes about a minute on a laptop."""),
    ("code", """import torch

import fmdiag

train = fmdiag.load_dataset("digits", n=64)
train.n, train.shape, train.held_out.n"""),
    ("markdown", """Any `torch.nn.Module` or function `v(x, t)` is a velocity field: `x` of shape `(b, *shape)`, `t` of
shape `(b,)`, t = 0 noise, t = 1 data."""),
    ("code", """class Net(torch.nn.Module):
    def __init__(self, dim=64, width=256):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(dim + 1, width), torch.nn.SiLU(),
                                          torch.nn.Linear(width, width), torch.nn.SiLU(),
                                          torch.nn.Linear(width, dim))

    def forward(self, x, t):
        return self.layers(torch.cat([x.flatten(1), t[:, None]], 1)).reshape(x.shape)


torch.manual_seed(0)
net = Net()
optimizer = torch.optim.Adam(net.parameters(), 2e-3)
for step in range(1500):
    x1 = train[torch.randint(train.n, (128,)).tolist()]
    x0, t = torch.randn_like(x1), torch.rand(len(x1))
    xt = (1 - t[:, None, None, None]) * x0 + t[:, None, None, None] * x1
    loss = (net(xt, t) - (x1 - x0)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
loss.item()"""),
    ("markdown", """## Three diagnostics

A run holds the network, its training set and the held-out examples; nothing is written without `out=`."""),
    ("code", """run = fmdiag.Run(field=net, train=train, out="reports/notebook")
error = run.error(n_pairs=64)
error.summary.head()"""),
    ("code", """error.plot()"""),
    ("code", """copies = run.memorization(n_samples=128, n_steps=50)
copies.verdict.answer, copies.verdict.text"""),
    ("code", """copies.plot("memorization_rates")"""),
    ("code", """hybrid = run.hybrid(n_samples=32, n_steps=25, taus=[0.0, 0.3, 0.6, 0.9])
hybrid.table.groupby("tau").distance.mean()"""),
    ("markdown", """## Interrupted, and on again

Finished diagnostics are kept beside the run folder. The kernel may die here: the same lines, run again, take them from
there and measure only what is missing."""),
    ("code", """run.close()
run = fmdiag.Run(field=net, train=train, out="reports/notebook")
again = run.memorization(n_samples=128, n_steps=50)
again.table.equals(copies.table)"""),
    ("markdown", """## The page

`run.report()` measures everything that applies and writes one page, `index.html`, with tables and figures beside
it."""),
    ("code", """page = run.report(n_pairs=32, n_samples=128, n_noises=16, n_gradients=4, n_steps=25)
run.close()
sorted(path.name for path in page.folder.iterdir() if not path.name.startswith("."))"""),
]


def made():
    """Return the notebook, not yet run."""
    import nbformat

    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for number, (kind, text) in enumerate(CELLS):
        cell = getattr(nbformat.v4, f"new_{kind}_cell")(text)
        cell["id"] = f"cell-{number}"
        notebook.cells.append(cell)
    return notebook


def run(notebook, folder):
    """Run the notebook in a folder; an error of a cell is raised."""
    from nbclient import NotebookClient

    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    return notebook


def main():
    """Write the notebook with its outputs."""
    import tempfile

    import nbformat

    with tempfile.TemporaryDirectory() as folder:
        notebook = run(made(), folder)
    for cell in notebook.cells:
        cell.metadata = {}  # times of execution would change the file each time
    nbformat.write(notebook, FILE)


if __name__ == "__main__":
    main()
