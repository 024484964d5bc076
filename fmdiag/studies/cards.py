"""Cards of what studies, watches and training record: texts and figures of their sections of the page."""

from fmdiag.diagnostics.diagnostic import Card, Figure
from fmdiag.diagnostics.references import PAPER_1
from fmdiag.registry import Registry

EMM = ("EMM: the largest n with a memorised share of at least 0.9 at the end of training, by interpolation in log n; "
       "its limits are sizes tried: up to the lower one every exact lower limit is at least 0.9, from the upper one on "
       "every exact upper limit is below (units: samples of the models trained).")
PHASES = ("Memorised share at the end of training for each number n of training examples and width of the network "
          "(hidden units, or channels of the first level), means over {seeds} seeds; diamonds: EMM, the largest n with "
          "a share of at least 0.9, between sizes by interpolation; bars: {interval}, which hold for the models "
          "trained and assume only that the share falls with n; a mark at the edge: beyond the sizes tried. {data}.")
MAP = "Map of the memorised share over training set size and network width, with a mark and a bar of EMM per width."

STUDY_SIZE = Card(
    name="study_size",
    title="Growing training set",
    question="When does the same network, trained as long, stop reproducing its training set?",
    memorization="At small n: a small error against û* at every t, samples nearer to training examples than these to "
                 "each other, a memorised share near that of û*. The test Fréchet distance may be low there all the "
                 "same.",
    generalization="At large n: an early bump of the error, samples as far from the training examples as held-out "
                   "examples are, a memorised share at its null.",
    definition="Per n, the same network, steps and batch; each seed draws its own nested subset, initial weights and "
               "batches. Fréchet distances in the feature space named in run.json, samples against all held-out "
               "rows; copies: as many training examples drawn with replacement instead of samples. Distances to rows: "
               "Euclidean, model range. Intervals: Student's over seeds, cut at the range of the quantity. " + EMM,
    reference=PAPER_1 + ", figure 2; EMM: Gu et al., arXiv 2310.02664.",
    figures=(
        Figure("study_size", "fmdiag.figures.study_size:study_size_figure",
               caption="Error against û* per coordinate and time t for each number n of training examples; test "
                      "Fréchet distance of the samples, beside that of copies of training examples; mean distance of a "
                      "sample to its nearest training example, beside the mean distance of a training example to the "
                      "nearest other one (dashed); memorised share, beside its null from held-out examples and its "
                      "control from û*. Means over {seeds} seeds; bands and bars: {interval} (units: seeds). "
                      "{data}.{width} As figure 2 of paper [1].",
               alt="Four charts: squared error against time for each training set size; test Fréchet distance, "
                   "distance to the nearest training example, and memorised share against the size.",
               intervals=("squared_error", "frechet_test", "d1", "f_mem",)),
        Figure("study_size_samples", "fmdiag.figures.study_size:samples_figure",
               caption="First samples of each model of the first seed, not chosen by any merit, and below them their "
                      "nearest training examples. {data}.{width}",
               alt="Rows of sample pictures for each training set size, each above its nearest training examples."),
        Figure("study_size_loss", "fmdiag.figures.study_size:size_loss_figure",
               caption="Training loss against the step for each number n of training examples, mean over {seeds} "
                      "seeds. {data}.{width}",
               alt="Line chart of the training loss against the step for each training set size."),
        Figure("study_size_phases", "fmdiag.figures.study_phases:size_phases_figure", caption=PHASES, alt=MAP,
               intervals=("emm",))),
)

STUDY_LOSSES = Card(
    name="study_losses",
    title="Objectives at the same budget",
    question="Does regressing on a less stochastic target (EFM, OT-CFM) help or hurt?",
    memorization="Were the noise of CFM's target the source of generalisation, EFM would score worse and copy more "
                 "as M grows.",
    generalization="EFM scores as CFM or better, and copies no more: generalisation does not come from the target's "
                   "noise.",
    definition="EFM regresses on û* of a pool of M training examples that holds the pair's own; M = n is û*. OT-CFM "
               "pairs noise and data of a batch by optimal transport: its minimiser is not û*. Differences are "
               "paired by seed. Epochs: rows seen divided by n. Intervals: Student's over seeds.",
    reference=PAPER_1 + ", figure 4, algorithm 2 and appendix C.",
    figures=(
        Figure("study_losses", "fmdiag.figures.study_losses:study_losses_figure",
               caption="Fréchet distance of the samples to the training examples (left) and to the held-out examples "
                      "(right) along training, per objective; means over {seeds} seeds, bands: {interval} (units: "
                      "seeds). {data}. As figure 4 of paper [1]; {pools}.",
               alt="Two line charts of the Fréchet distance against the step, to training and to held-out examples, "
                   "per objective.",
               intervals=("frechet_test", "frechet_train",)),
        Figure("study_losses_difference", "fmdiag.figures.study_losses:difference_figure",
               caption="Test Fréchet distance minus that of CFM, paired by seed (same initial weights, rows, noises "
                      "and times), along training; below 0 is better than CFM. Means over {seeds} seeds, bands: "
                      "{interval} (units: seeds). {data}.",
               alt="Line chart of the difference in test Fréchet distance to CFM against the training step, per "
                   "objective.",
               intervals=("frechet_test_minus_cfm",)),
        Figure("study_losses_error", "fmdiag.figures.study_losses:error_figure",
               caption="Squared error against û* per coordinate and time t at the end of training, per objective; "
                      "means over {seeds} seeds, bands: {interval} (units: seeds). {data}.",
               alt="Line chart of the squared error against time, per objective.",
               intervals=("squared_error",)),
        Figure("study_losses_samples", "fmdiag.figures.study_losses:losses_samples_figure",
               caption="First samples of each model of the first seed, the same noises in every row, and below them "
                      "their nearest training examples. {data}.",
               alt="Rows of sample pictures for each objective, each above its nearest training examples.")),
)

STUDY_TIME = Card(
    name="study_time",
    title="Along training",
    question="After how many steps are samples good (tau_gen), and after how many are they copies (tau_mem)?",
    memorization="The memorised share rises late in training, the later the larger n is, and the sooner the wider the "
                 "network.",
    generalization="Between the two times samples are good and no copies.",
    definition="tau_gen: first evaluation within a tenth of the run's smallest test distance; tau_mem: first "
               "evaluation whose memorised share is above the held-out examples' by Fisher's one-sided test, corrected "
               "by Holm for the evaluations of the run. Both lie between that evaluation and the one before, or beyond "
               "the last. Exponents: slopes in logarithms of a normal regression on these intervals, by profile "
               "likelihood (units: models); joint: on log n and log width together. " + EMM,
    reference="T. Bonnaire et al., arXiv 2505.17638; EMM: Gu et al., arXiv 2310.02664.",
    figures=(
        Figure("study_time", "fmdiag.figures.study_time:study_time_figure",
               caption="Test Fréchet distance (left) and memorised share (right) along training for each number n of "
                      "training examples; dashed: the largest share that held-out examples show. Means over {seeds} "
                      "seeds, bands: {interval} (units: seeds), cut at the edge. {data}.{width}",
               alt="Two line charts against the training step: test Fréchet distance and memorised share, per "
                   "training set size.",
               intervals=("frechet_test", "f_mem",)),
        Figure("study_time_turning", "fmdiag.figures.study_phases:turning_figure",
               caption="First evaluation with good samples (tau_gen, left) and with copies (tau_mem, right) against "
                       "the number n of training examples, of the models that reached it: means over {seeds} seeds, "
                       "bars: {interval} (units: seeds), a curve per width of the network; triangles in the shaded "
                       "stretch: not all models reached it by the last step; dashed: the published slope (tau_gen does "
                       "not depend on n, tau_mem grows as n). {data}.",
               alt="Two charts of steps against training set size, both logarithmic: when samples become good, and "
                   "when copies.",
               intervals=("tau_gen", "tau_mem")),
        Figure("study_time_phases", "fmdiag.figures.study_phases:time_phases_figure", caption=PHASES, alt=MAP,
               intervals=("emm",)),),
)

WATCH = Card(
    name="watch",
    title="Checkpoints along training",
    question="When is the model as good as it gets (tau_gen), and when does it begin to copy (tau_mem)?",
    memorization="The memorised share leaves its null; before it, as a rule, the AUC of membership leaves 1/2 and the "
                 "error against û* falls on training paths alone.",
    generalization="The memorised share stays at its null and the AUC at 1/2, while samples become good.",
    definition="Per checkpoint, with the same pairs, initial noises and examples: squared error against û* at four "
               "kinds of states; loss on training and on held-out examples; f_mem of samples beside that of held-out "
               "examples; AUC of membership by the loss; Fréchet distance to held-out examples. tau_mem: first look at "
               "which the test of copies rejects; tau_auc, tau_gap: likewise of the other tests. Look k is tested at "
               "the level .05 / (J k (k + 1)) of each of J tests, so that the probability of any false alarm is at "
               "most .05 however many looks there are. tau_gen: first look within a tenth of the smallest test "
               "distance. Intervals of these are steps of looks.",
    reference="T. Bonnaire et al. 2025; J. Tian and A. Ramdas 2021 (levels).",
    figures=(
        Figure("watch", "fmdiag.figures.watch:watch_figure",
               caption="Along training, a look per checkpoint: squared error against û* at four kinds of states; loss; "
                       "AUC of membership (grey line: 1/2); share of samples that are copies, beside that of held-out "
                       "examples; distance of a sample to its nearest training example; test Fréchet distance. "
                       "Vertical lines: τ_gen (dashed) and τ_mem (solid), where reached; shaded, beside what they are "
                       "read from: where they may lie. "
                       "Bands: {interval}, of each look by itself. {data}.",
               alt="Line charts against the training step: errors, losses, AUC of membership, memorised share, "
                   "distance to the nearest training example, test Fréchet distance.",
               intervals=("error_train", "loss_train", "auc", "f_mem", "d1", "frechet_test"),
               panel="fmdiag.figures.watch:along_steps"),),
)

LOSS = Card(
    name="loss",
    title="Training",
    question="How did the loss fall?",
    memorization="The loss cannot show it: on a small training set it approaches the floor of û*.",
    generalization="The loss cannot show it either: see the diagnostics above.",
    definition="Mean over coordinates of the squared difference to the regression target.",
    reference=PAPER_1 + ", section 2.",
    figures=(
        Figure("loss", "fmdiag.figures.training:loss_figure",
               caption="Training loss (mean over coordinates, squared units of model range) against the step. {data}.",
               alt="Line chart of the training loss against the step."),
        Figure("monitor", "fmdiag.figures.monitor:monitor_figure",
               caption="Looks at the network while it was trained. Loss at training and at held-out examples; squared "
                       "error against û* at four kinds of states; share of samples that are copies, and of held-out "
                       "examples that would count as such; AUC of telling training from held-out examples by the loss "
                       "(dashed: chance). Bands: 95 % intervals of each look alone. {data}.",
               alt="Four line charts against the training step: losses, errors, memorised shares, membership AUC."),),
)

STUDIES = Registry("study", {card.name: card for card in (STUDY_SIZE, STUDY_LOSSES, STUDY_TIME, WATCH, LOSS)})
