"""Names in figures are shown as they are spelt: dollar signs are no mathematics, but for our own symbols."""

import io

import pytest

from fmdiag.errors import printable
from fmdiag.figures.style import new_figure


@pytest.mark.parametrize("text", ["$\\frac{$", "$", "a $x$ b", "\\$\\frac{$", "$\\undefined$", "\x1b[31m", "a\udcffb",
                                  "\ud800", "日本", "a\0b"])
@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_fault_5_10_any_name_can_be_drawn(text, kind):
    figure, axes = new_figure(2)
    ax = axes[0, 0]
    ax.plot([1, 2], label=text)
    ax.set_title(text)
    ax.set_yticks([1, 2], [printable(text)] * 2)  # as tables hold it
    ax.set_xlabel(text)
    ax.legend()
    for _ in range(2):  # drawn again, a figure is the same
        figure.savefig(io.BytesIO(), format=kind)
        assert ax.title.get_text().isprintable() and not ("$" in text and ax.title.get_parse_math())


def test_our_symbols_and_the_numbers_of_scales_stay_mathematics():
    figure, axes = new_figure(2)
    ax = axes[0, 0]
    ax.loglog([1, 1e5], [1e-9, 1])
    ax.set_ylabel("squared error\n$|u_\\theta - \\hat{u}^*|^2/d$")
    ax.set_title("predicted collapse $t_C$")
    figure.savefig(io.BytesIO())
    shown = [ax.title, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()]
    assert all(text.get_parse_math() for text in shown)
    assert any("mathdefault" in text.get_text() for text in shown)
