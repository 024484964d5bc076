"""What does each diagnostic ask, and how is its figure read? The texts of the report, one section per diagnostic."""

from dataclasses import dataclass

PAPER_2 = ("T. Reu, S. Dromigny, M. Bronstein, F. Vargas, “Gradient Variance Reveals Failure Modes in Flow-Based "
           "Generative Models”, NeurIPS 2025, arXiv 2510.18118")
PAPER_1 = ("Q. Bertrand, A. Gagneux, M. Massias, R. Emonet, “On the Closed-Form of Flow Matching: Generalization Does "
           "Not Arise from Target Stochasticity”, NeurIPS 2025, arXiv 2506.03719")


@dataclass(frozen=True)
class Section:
    """Text of one diagnostic: what it asks, what both outcomes look like, what exactly is measured, and where from."""

    title: str
    question: str
    memorisation: str
    generalisation: str
    definition: str
    reference: str


SECTIONS = {
    "alignment": Section(
        "Alignment of û* with x1 - x0",
        "From which time on does the closed-form minimiser û* point at one training row instead of averaging over "
        "many?",
        "This diagnostic describes the training set, not a model. Where the source weight and the share are 1, û* "
        "heads for one training row: a model that equals û* there reproduces the row.",
        "Where the source weight is near 0, û* averages over many rows, and following it exactly copies nothing. The "
        "earlier the rise, the less of a model's generalisation can come from the noise of its regression target. The "
        "share alone can be high near t = 0, where û* is mean(data) - x and the cosine depends on the data's scale.",
        "cos(û*(x_t, t), x1 - x0) over pairs x0 ~ N(0, I), x1 from the training set, x_t = (1-t) x0 + t x1; source "
        "weight: the posterior weight of the x1 that made x_t; effective sample size: 1 / Σ λ_i².",
        f"{PAPER_1}, figures 1a and 1c. Speciation and collapse: G. Biroli et al. 2024."),
    "error": Section(
        "Distance of the network from û*",
        "At which times does the network differ from the closed-form minimiser û*?",
        "A squared error near 0 at every time: the network has learnt û*, which only ends on training rows.",
        "A squared error that is clearly above 0, usually with a bump at early times (near t = 0.15) and again near "
        "t = 1: there the network cannot follow û*, and its samples leave the training set.",
        "Mean over coordinates of (u_θ(x_t, t) - û*(x_t, t))², x1 from the training set. In expectation the CFM "
        "loss is this squared error plus the conditional variance, which no network can avoid.",
        f"{PAPER_1}, figure 2."),
    "hybrid": Section(
        "Hybrid model: û* until τ, then the network",
        "Up to which time does it matter that the network is not û*: when is generalisation decided?",
        "A distance that is near 0 for every τ, and a memorised share near 1 already at τ = 0: the network alone "
        "ends on training rows.",
        "A distance that stays at its value of τ = 0 for small τ and falls as τ grows: the network departs from the "
        "training set early, and once û* has led past that time it no longer can. At τ = 1 the distance is 0 by "
        "construction.",
        "One batch of noises for all τ; û* is integrated on [0, τ], the network on [τ, 1]; distance: Euclidean, to "
        "the nearest training row.",
        f"{PAPER_1}, figure 3."),
    "memorization": Section(
        "Memorised samples, with controls",
        "Which samples are copies of training rows, and how often would data that the model never saw look the same?",
        "The model's curve rises left of 1/3 like that of û*, whose samples are copies by construction; its f_mem "
        "lies above the interval of the held-out rows.",
        "The model's curve follows that of the held-out rows, and the two intervals of f_mem overlap. A fraction "
        "above 0 is no evidence by itself: in few dimensions fresh data pass the rule too.",
        "d1 and d2: Euclidean distances of a sample to its nearest training row and to the nearest row that is no "
        "duplicate of that one; memorised: d1/d2 < 1/3; f_mem: share of memorised samples. No threshold decides "
        "alone: the sweep shows all, its p-values corrected for their number (Holm); AUC: chance that a sample has a "
        "smaller d1/d2 than a held-out row, 1/2 without memorisation. Copies that are shifted or flipped are far away "
        "in pixels and not seen there: flips are where they count as rows (--hflip), others in a feature space.",
        "T. Yoon et al. 2023; X. Gu et al. 2023; T. Bonnaire et al. 2025."),
    "quality": Section(
        "Quality of the samples, beside memorisation",
        "How close is the law of the samples to that of the training set, and to that of data never trained on?",
        "The Fréchet distance and KID to the training set lie below those of held-out rows (the line of a perfect "
        "sampler), while those to the held-out set do not. Quality alone cannot show it: copies of training rows score "
        "well on every one of these numbers.",
        "Values to train and to held-out rows agree with those of a perfect sampler at the same n, within their "
        "intervals.",
        "All numbers at equal n: Fréchet distances have a bias of order 1/n, so that a perfect sampler does not score "
        "0. Against train the perfect sampler is a subset of held-out rows, against held-out a subset of training "
        "rows. Intervals: jackknife over samples and reference rows.",
        "M. Heusel et al. 2017; M. Bińkowski et al. 2018; T. Kynkäänniemi et al. 2019; M. Naeem et al. 2020; M. Chong "
        "and D. Forsyth 2020."),
    "membership": Section(
        "Membership: does the field know its training images?",
        "Can training images be told from held-out ones by the velocity field alone, and at which times?",
        "AUC near 1 and excess alignment above 0: the field fits its own images better than new ones of the same law. "
        "This can be so at late times although no sample is a copy: the model knows the images, and does not return "
        "them.",
        "AUC near 1/2 and an excess alignment whose interval contains 0 at every time.",
        "Training and held-out images in equal numbers, the same noises and times, x_t on the path to the image. "
        "loss: -||u_θ - u_cond||²; error: -||u_θ - û*||² with û* of the training set in which the image stands in the "
        "place of one training row (for a training image: its own); pull: how much farther u_θ is from û* without the "
        "image than from û* with it, as a share of both. No score is nearer to û* merely because an image is one of "
        "its rows: a field without knowledge of the training rows has AUC 1/2. Excess alignment: cos(u_θ, û*) for û* "
        "of training rows minus that for û* of as many held-out rows, on the paths of both. Kinetic energy: "
        "½∫||v||²dt along samples' paths.",
        "R. Shokri et al. 2017; N. Carlini et al. 2022; kinetic path energy: arXiv 2602.07928."),
    "provenance": Section(
        "Provenance: which training images, and why",
        "Which training rows does a sample come from, and do noises lead where û* leads them?",
        "The model's stack is that of û*: one row takes all the weight early, and the sample is that row. The same "
        "noise leads to the same row (same_row near 1, basin divergence near 0), and some rows are copied often.",
        "Weights pass from row to row until late, or the sample differs from the row that ends with all the weight: "
        "near t = 1 the nearest row always has it. Few noises lead to the row that û* leads them to.",
        "Weight of row i at a state x_t of a trajectory: softmax of -||x_t - α_t X_i||²/(2σ_t²), copies of a row "
        "together. Basin of a row: the noises whose sample is nearest to it (under û*: is it). same_row: share of "
        "noises with one row under both; basin divergence: 1 - Morisita's overlap of the basin masses. "
        "tables/copied.csv ranks training images by the memorised samples that are copies of them.",
        f"{PAPER_1}, section 2; M. Morisita 1959."),
    "canaries": Section(
        "Canaries: planted images",
        "Do images that were planted before training come back, and from which multiplicity on?",
        "The share that comes back rises with the multiplicity above that of held-out canaries, which only chance can "
        "return; the loss of planted canaries is lower than that of held-out ones (AUC above 1/2).",
        "Planted canaries come back as seldom as held-out ones, and their losses are alike.",
        "A canary has come back if a sample is nearer to it than a third of its distance to the nearest other training "
        "row or canary. Chance decided which canaries were planted how often and which were held out.",
        "N. Carlini et al. 2019, 2023."),
    "agreement": Section(
        "Agreement of two models",
        "Do two models turn the same noise into the same sample, and one that is in neither training set?",
        "Each sample lies near a row of its own training set, and the two are as far apart as samples of different "
        "noises.",
        "The two samples are nearer to each other than to any training row (dots below the dashed line).",
        "Euclidean distance and cosine (of deviations from the training rows' mean) between the two samples from one "
        "noise, from different noises, and from each sample to the nearest row of its own training set.",
        "Z. Kadkhodaie, F. Guth, E. P. Simoncelli, S. Mallat 2024; H. Zhang et al. 2024."),
    "study_size": Section(
        "Growing training set",
        "When does the same network, trained as long, stop reproducing its training set?",
        "At small n: a small error against û* at every t, samples nearer to training rows than these to each other, a "
        "memorised share near that of û*. The test Fréchet distance may be low there all the same.",
        "At large n: an early bump of the error, samples as far from the training rows as held-out rows are, a "
        "memorised share at its null.",
        "Per n, the same network, steps and batch; each seed draws its own nested subset, initial weights and batches. "
        "Fréchet distances in the feature space named in run.json, samples against all held-out rows; copies: as many "
        "training rows drawn with replacement instead of samples. Distances to rows: Euclidean, model range. "
        "Intervals: Student's over seeds, cut at the range of the quantity.",
        f"{PAPER_1}, figure 2."),
    "study_losses": Section(
        "Objectives at the same budget",
        "Does regressing on a less stochastic target (EFM, OT-CFM) help or hurt?",
        "Were the noise of CFM's target the source of generalisation, EFM would score worse and copy more as M grows.",
        "EFM scores as CFM or better, and copies no more: generalisation does not come from the target's noise.",
        "EFM regresses on û* of a pool of M training rows that holds the pair's own; M = n is û*. OT-CFM pairs noise "
        "and data of a batch by optimal transport: its minimiser is not û*. Differences are paired by seed. Epochs: "
        "rows seen divided by n. Intervals: Student's over seeds.",
        f"{PAPER_1}, figure 4, algorithm 2 and appendix C."),
    "study_time": Section(
        "Along training",
        "After how many steps are samples good (tau_gen), and after how many are they copies (tau_mem)?",
        "The memorised share rises late in training, the later the larger n is.",
        "Between the two times samples are good and no copies.",
        "tau_gen: first evaluation within a tenth of the run's smallest test distance; tau_mem: first evaluation whose "
        "memorised share is above the held-out rows' by Newcombe's interval.",
        "T. Bonnaire et al. 2025."),
    "gradient-variance": Section(
        "Gradient variance",
        "How much do the gradients of single samples disagree, and at which times?",
        "On its own pairs, a variance near 0 at every time: the model fits each pair exactly and integrating it "
        "returns them. Noise on the path raises it.",
        "A variance well above 0: the model averages over pairs that pass the same point, or is asked about pairs that "
        "are not its own. The forward target peaks at t = 1, the backward one at t = 0. Crossing lines alone do not "
        "raise it: a coupling under its own field has variance 0.",
        "E‖g‖² - ‖E g‖² of g = ∇ ‖target - v(x_t, t)‖² (summed over coordinates) with respect to the parameters, "
        "without bias from independent samples; relative: over the unbiased estimate of ‖E g‖². Intervals: jackknife.",
        PAPER_2),
    "pairing": Section(
        "Memorised pairings",
        "Does a model that was trained on fixed pairs return each training noise to the partner it was given?",
        "Ends nearer the partner that was trained on than the optimal transport partner. At σ = 0 a field of zero loss "
        "exists for any finite number of pairs, even where all lines cross, and it does exactly this (the exact "
        "minimiser).",
        "Ends nearer the optimal transport partner: the model has forgotten which target belonged to which noise. "
        "Where the exact minimiser at σ > 0 still returns the partners, forgetting is the network's doing.",
        "Noises and targets are paired by optimal transport, the targets permuted; models are trained on these pairs "
        "with noise σ on the path, and each training noise is integrated by Euler steps. mmd_law: MMD² of the ends to "
        "fresh rows (source targets: that of the memorised targets); mmd_pairs, mmd_ot: MMD² of (noise, end) to the "
        "memorised and to the optimal transport pairs. The paper's figures (σ = 0; σ = .05), other networks and pairs, "
        "so that the order, not the size, carries over: mixture d = 3, MMD to the law .0034; .0018, to the pairs "
        "1.758e-6; 3.105e-5; mixture d = 50, .0021; .0020 and 9.089e-6; 6.09e-5; CelebA-64, 5k permuted pairs, L2 to "
        "the OT partner 50.40; 34.25, to the permuted one 28.57; 55.02; 50k pairs, 46.78; 30.05 and 45.98; 56.48; 5k "
        "pairs of a simulated 1-ReFlow, to OT 43.35; 31.35, to the generated one 8.63; 25.08.",
        PAPER_2),
    "loss": Section(
        "Training", "How did the loss fall?",
        "The loss cannot show it: on a small training set it approaches the floor of û*.",
        "The loss cannot show it either: see the diagnostics above.",
        "Mean over coordinates of the squared difference to the regression target.", PAPER_1 + ", section 2."),
}


def section(name):
    """Return the texts of a diagnostic; one without texts of its own gets its name as title and nothing else."""
    return SECTIONS.get(name, Section(name.replace("_", " ").capitalize(), "", "", "", "", ""))
