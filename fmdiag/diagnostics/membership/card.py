"""Card of the diagnostic membership."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic, Figure
from fmdiag.diagnostics.groups import Solver
from fmdiag.diagnostics.membership.attacks import ATTACKS, CODECS
from fmdiag.diagnostics.parameters import parameter


@dataclass(frozen=True)
class Parameters(Solver):
    """What membership may be asked."""

    n_images: int = parameter(256, "Images of each kind.", minimum=2)
    n_noises: int = parameter(8, "Initial noises per image.", minimum=1)
    times: tuple | None = parameter(None, "Times in [0, 1), e.g. 0:0.95:20.", kind="times",
                                    shown="0.05, 0.1, 0.2 ... 0.9, 0.95")
    attacks: tuple = parameter(("all",), "Published attacks, several may be given.", kind="str", many=True,
                               choices=("all", "none", *ATTACKS))
    reference: str | None = parameter(None, "Checkpoint of the same data set trained on other examples, whose loss is "
                                      "compared.", kind="path", metavar="CKPT")
    codec: str | None = parameter(None, "Lossless codec of the compressed size.", kind="str", choices=CODECS,
                                  shown="png for pictures, else zlib")
    n_paths: int = parameter(256, "Sample paths whose energy is measured.", minimum=2)


FIGURES = (
    Figure("membership_auc", "fmdiag.figures.membership:auc_figure",
           caption="Area under the ROC curve of telling training images from held-out ones by the velocity field, per "
                  "time t; dashed: 0.5, chance. {pairs} images of each kind, the same noises and times. Bands of the "
                  "loss and of the distance: 95 % for all times and both together, Newcombe intervals at the critical "
                  "value of the largest |z| when the images of a pair change places (Westfall and Young 1993); where "
                  "one lies above 0.5 the field knows its images at that time. The pull has no band: by it the images "
                  "depend on each other. {data}.",
           alt="Line chart of the membership AUC of three scores against time t.",
           intervals=("auc",)),
    Figure("membership_roc", "fmdiag.figures.membership:roc_figure",
           caption="ROC curves of the scores over all times: share of training images found against share of held-out "
                  "images taken for such; dashed: chance. {pairs} images of each kind. {data}.",
           alt="ROC curves of three membership scores."),
    Figure("membership_attacks", "fmdiag.figures.attacks:attacks_figure",
           caption="Area under the ROC curve of published attacks, per time t. Left: of images with noise; right: of "
                  "the image itself. Black: the blind baseline, which sees the images and no model; an attack counts "
                  "only above it. Far below 0.5 a score tells them apart too, with the opposite of its published sign; "
                  "that counts for nothing. Bands: {interval}, of each time by itself, for independent images. {pairs} "
                  "images of each kind. {data}.",
           alt="Line charts of the AUC of published membership attacks against time t, beside a blind baseline.",
           intervals=("attack_auc",)),
    Figure("membership_excess", "fmdiag.figures.membership:excess_figure",
           caption="Excess alignment: cosine of the velocity field with û* of training examples minus that with û* of "
                  "as many held-out examples, against time t; 0 for a model that does not know which examples it was "
                  "trained on. Bands: {interval}. {data}.",
           alt="Line chart of the excess alignment against time t.",
           intervals=("excess_alignment",)),
    Figure("membership_energy", "fmdiag.figures.membership:energy_figure",
           caption="Kinetic energy ½∫||v||²dt per coordinate of the samples' paths (left, squared units of model "
                  "range) and the share of it from t = 0.9 on (right), as cumulative shares of samples, for the "
                  "model and for û* from the same noises. {data}.",
           alt="Cumulative distributions of kinetic energy and of its terminal share for the model and for û*."),
)

CARD = Diagnostic(
    name="membership",
    title="Membership: does the field know its training images?",
    short="Does the field know its training images? AUC per time against held-out ones.",
    question="Can training images be told from held-out ones by the velocity field alone, and at which times?",
    memorization="AUC near 1 and excess alignment above 0: the field fits its own images better than new ones of the "
                 "same distribution. This can be so at late times although no sample is a copy: the model knows the "
                 "images, and does not return them.",
    generalization="AUC near 1/2 with a band that holds 1/2 at every time, and an excess alignment whose interval over "
                   "all times holds 0.",
    definition="Training and held-out images in equal numbers, the same noises and times, x_t on the path to the "
               "image. Rows whose content recurs in either set, mirrored or not, are left out of both, and one row is "
               "drawn of each group; with fewer than 8 left a side nothing is judged. loss: -||u_θ - u_cond||²; "
               "error: -||u_θ - û*||² with û* of the training set in which the "
               "image stands in the place of one training example (for a training image: its own); pull: how much "
               "farther u_θ is from û* without the image than from û* with it, as a share of both. No score is "
               "nearer to û* merely because an image is one of its examples: a field without knowledge of the training "
               "examples has AUC 1/2; its p-value is that of exchanging the images of pairs. tpr_at_0.01: share of "
               "training images found where at most 1 % of held-out ones is taken for such (tpr_at_0.001 from 1000 "
               "held-out images on). Attacks: T_naive, T_mc and T_mc by compressed size (Rao and Moyer "
               "2026), PIA and PIAN (Kong 2024), SecMI (Duan 2023), SimA (2025), and the loss of a reference model "
               "less the field's, each per time; best_ values are of one half of the images, at the time that the "
               "other half chose, and above_blind_p is of an AUC above 1/2 and above the better blind baseline "
               "(compressed size; logistic regression on principal components). Each score has its published sign. Of "
               "PIA, PIAN and SecMI, which follow the model from the image itself, it can be the wrong one: a model of "
               "16 digits that memorises has an AUC of .02 of PIA at t = .1 and of 0 of SecMI at .3. So an AUC far "
               "below 1/2 does not say that the images are safe: it tells them apart as well, the other way round. "
               "Such a time counts for nothing here, as a sign that is chosen after looking needs a correction; the "
               "other attacks show what the field knows. DeLong's interval takes training and held-out images for "
               "independent draws, which share nothing but the field. Excess alignment: cos(u_θ, û*) for "
               "û* of training examples minus that for û* of as many held-out examples, on the paths of both. Kinetic "
               "energy: ½∫||v||²dt along samples' paths.",
    reference="R. Shokri et al. 2017; N. Carlini et al. 2022; A. Rao and D. Moyer, arXiv 2603.13421; kinetic path "
              "energy: arXiv 2602.07928.",
    parameters=Parameters,
    run="fmdiag.diagnostics.membership.run:run",
    needs=("field", "held_out", "points"),
    cost="passes of the network: images x initial noises x times",
    figures=FIGURES,
    tables={"membership": "image, its noise and time",
            "attacks": "image, attack and time",
            "excess": "pair of images and time",
            "energy": "sample path"},
    examples=("fmdiag membership ckpt.pt",
              "fmdiag membership ckpt.pt --held-out test_images/ --n-images 512",
              "fmdiag membership ckpt.pt --attacks mc-calibrated --attacks reference --reference other.pt"),
)
