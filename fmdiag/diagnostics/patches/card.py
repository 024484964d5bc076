"""Card of the diagnostic patches."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic, Figure
from fmdiag.diagnostics.groups import Judged
from fmdiag.diagnostics.parameters import parameter


@dataclass(frozen=True)
class Parameters(Judged):
    """What patches may be asked."""

    n_samples: int = parameter(256, "Samples drawn, or taken from the start of --samples.", minimum=1)
    window: int | None = parameter(None, "Side of the windows in pixels.", kind="int", minimum=2,
                                   shown="a fourth of the shorter side, odd, at least 5")
    stride: int = parameter(1, "Pixels between neighboring windows.", minimum=1)
    threshold: float = parameter(1 / 3, "A window counts as copied if d1/d2 is below it.", minimum=0, maximum=1,
                                 above=True, shown="1/3")
    area: float = parameter(0.15, "An image is flagged if copied windows cover this share of its area or more.",
                            minimum=0, maximum=1, above=True)
    n_any: int = parameter(16, "Images of each source whose windows are also searched for at all other places.",
                           minimum=0)
    n_controls: int = parameter(16, "Samples of û* and of the local score.", minimum=2)


FIGURES = (
    Figure("patches_area", "fmdiag.figures.patches:area_figure",
           caption="Cumulative share of images against their copied area: the share of the judged pixels that are "
                   "copied from the same place. From the dashed line on an image is flagged. û*: whole copies of "
                   "one training image; local score: mosaics. {data}.",
           alt="Cumulative distributions of the copied area of samples, held-out images and both controls."),
    Figure("patches_flagged", "fmdiag.figures.patches:flagged_figure",
           caption="Share of flagged images by source, windows searched at the same place and, for some, at any. "
                   "Whiskers: {interval}. {data}.",
           alt="Share of flagged samples, held-out images and controls, with intervals.",
           intervals=("flagged",), panel="fmdiag.figures.patches:flagged"),
    Figure("patches_maps", "fmdiag.figures.patches:maps_figure",
           caption="Images with the largest copied area: image, map of where its copied pixels come from (a color per "
                   "training image, the largest three named, all others grey; white: not judged), and those training "
                   "images with the pixels taken from them framed in the same color; mirrored: the sample has pixels "
                   "of its mirror image, which is shown. a: copied area, m: training images that account for 90 % of "
                   "it. {data}.",
           alt="Grid of pictures: a row per image with its map of sources and the training images they come from."),
)

CARD = Diagnostic(
    name="patches",
    title="Copies of parts: windows of samples that are windows of training images",
    short="Which parts of samples are parts of training images, and of how many?",
    question="Do samples have parts of training images, more often than images that the model never saw, and from one "
             "training image or from several?",
    memorization="More samples than held-out images have a copied area. A mosaic count of 1 and a large area is what "
                 "û*'s samples have, whole copies; a large area from several images is a mosaic, which whole-image "
                 "distances do not see.",
    generalization="The model's areas are distributed like those of held-out images, some of which pass by chance: "
                   "small windows of simple images resemble one another.",
    definition="Every k x k window of an image is compared with the windows at the same place of all training images "
               "(some images: at any place, where the best place of a training image counts, on windows half a window "
               "apart). A window is copied if d1/d2 < 1/3, d1 the Euclidean distance to the nearest training window, "
               "d2 that to the nearest of another training image (a mirror image is none) and of other content. "
               "Windows that say nothing are not judged: blank ones, whose standard deviation within, each channel "
               "about its mean, is below a tenth of that of all values of the training images, and common ones, whose "
               "8 nearest training windows are all alike. area_share: copied over judged pixels. Judged: a judged "
               "window covers the pixel, and it is not blank itself, by the standard deviation of the 3 x 3 pixels "
               "around it: black next to a copy is black in its source and in most other images, and shows neither. "
               "Copied: a copied window covers it, and its own squared difference is below 1/9 of d2² per value, the "
               "same rule at one pixel, as windows that reach a little past a copy pass too. n_images, the mosaic "
               "count: training images whose copied windows have 90 % of the copied pixels, chosen greedily, which may"
               " be more than the least number. flagged: area_share of at least --area. close_flagged: the same of "
               "windows with d1/d2 < 0.1. patches_p: Fisher's one-sided test of more samples than held-out images, as "
               "many of either, flagged or close_flagged, corrected for both; samples that take most from one training"
               " image counted together. Held-out images are taken for what honest samples look like: blurred samples "
               "may be flagged more often without a copy. Local score: samples of the best denoiser that sees patches "
               "of 2 k - 1 pixels, of at most 1000 training images.",
    reference="Kamb and Ganguli, arXiv 2412.20292 (patch mosaics, local score); Webster, arXiv 2305.08694 (templates); "
              "the rule d1/d2 < 1/3: Yoon et al. 2023; greedy cover: Chvátal 1979.",
    parameters=Parameters,
    run="fmdiag.diagnostics.patches.run:run",
    needs=("samples", "images"),
    cost="images x training images x windows x pixels of a window, and the samples: 40 processor seconds for 256 "
         "images against 60 000 of 28 x 28 (k = 7, every window, same place), twice that with as many held-out images",
    figures=FIGURES,
    tables={"patches": "image and kind of place"},
    examples=("fmdiag patches ckpt.pt",
              "fmdiag patches --samples generated/ --dataset fashion-mnist --window 9",
              "fmdiag patches ckpt.pt --n-samples 64 --stride 2 --n-any 0"),
)
