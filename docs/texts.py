"""What do the gallery's pages say beside the report's own texts? Commands, models, costs, and pages without a section.

The seconds beside a cost are measured (facts.json); here stands what they go into.
"""

from docs.models import HALVES, PLANTED
from fmdiag.diagnostics.diagnostic import Card
from fmdiag.figures.cards import card

AUDIT = Card(
    name="audit",
    title="Audit: the whole evidence on memorisation",
    question="Does the model copy training images, does its field know them, and what does the evidence not show?",
    memorization="A verdict “yes” on copies or on the field: the corrected p-value of a deciding test is at most "
                 "0.05 and, for copies, the positive control holds and the interval of the excess over held-out rows "
                 "lies above 0.",
    generalization="“No evidence” on every question, with the excess of copies that is excluded: no evidence is not "
                   "evidence of none, and where an excess above 5 points is not excluded the answer is “undecided”. A "
                   "model whose samples are new may still know its images at late times: then the second answer is "
                   "“yes” and the first is not.",
    definition="Memorised samples with controls, metrics, membership, provenance and, where planted, canaries, in "
               "one run folder and one document, audit.json (schema fmdiag-audit/1): verdicts, controls, tests with "
               "p-values corrected for their number (Holm), intervals, definitions, limits, advice on sample sizes. "
               "It needs held-out rows.",
    reference="S. Holm 1979; each part's own page.")

# Page -> command lines, where they are not `fmdiag PAGE ckpt.pt`.
COMMANDS = {
    "agreement": ["fmdiag agreement a.pt b.pt"],
    "canaries": ["fmdiag canaries --dataset digits --out planted/", "fmdiag train --dataset planted/ --out model",
                 "fmdiag audit model/checkpoint.pt --canaries planted/"],
    "gradient-variance": ["fmdiag gradient-variance ckpt.pt --n-samples 256"],
    "pairing": ["fmdiag pairing --dataset digits --n-pairs 100 --sigmas 0,2 --width 128 --depth 2 --steps 1500 "
                "--batch-size 64"],
}
MODELS = {"memorises": "A model that memorises", "generalises": "A model that generalises"}
# Page -> model -> how it is called there. {n}: training rows.
CALLED = {
    "alignment": {"memorises": "Training set of {n} digits", "generalises": "Training set of {n} digits"},
    "pairing": {"memorises": "Trained at σ = 0: returns the partners", "generalises": "Trained at σ = 2: forgets them"},
    "agreement": {"memorises": "Two models that memorise", "generalises": "Two models that generalise"},
}
# Page -> how large the models' training sets are.
SIZE = {"alignment": "", "agreement": " ({n} training digits each)", "canaries": " ({n} training rows, copies counted)",
        "pairing": " (100 pairs)"}
USUAL_SIZE = " ({n} training digits)"
# Page -> what else to know of its two models: what they are, where they are not those of the other pages.
ABOUT = {
    "alignment": "No model is called: this is a property of the training set. Shown are the sets of the two models "
                 "of the other pages.",
    "agreement": f"Two pairs of models, each trained on disjoint sets of digits: {HALVES['memorises']} and "
                 f"{HALVES['memorises']} that are memorised, {HALVES['generalises']} and {HALVES['generalises']} that "
                 "are not.",
    "canaries": f"Both models were trained on sets with planted digits: {PLANTED['memorises'][0]} digits and "
                f"{PLANTED['memorises'][1]} canaries of each multiplicity, and {PLANTED['generalises'][0]} digits and "
                f"{PLANTED['generalises'][1]} of each; 6000 steps each.",
    "pairing": "Both models were trained on the same 100 permuted pairs of noises and digits, for 1500 steps; the one "
               "without noise on the path memorises them, the one with much noise does not. Noise of that size leaves "
               "little of the images either: a model that forgets its pairs need not be a good one.",
    "membership": "That the second model, none of whose samples is a copy, knows its images at late times is no "
                  "artefact: asked about held-out digits against other held-out digits it has an AUC of 1/2. It is "
                  "what training on does; after 1000 steps the interval contains 1/2 "
                  "(`python -m benchmarks.membership_auc`):\n\n"
                  "![Line charts of the membership AUC against training steps and, after each number of steps, against "
                  "time.](../../benchmarks/results/membership_auc.png)",
    "uturn": "û* and the Wiener field, made from the same training examples, are the controls. Sixteen examples span "
             "the only directions in which the Wiener field of the first model has variance: it returns to them more "
             "often too, without knowing any of them.",
    "theories": "A third model, a convolutional U-Net without attention trained on all 60 000 images of Fashion-MNIST "
                "(`fmdiag theories data/fashion-mnist-n60000.pt --n-pairs 6 --n-calibration 3 --n-steps 10 --times "
                "0.2,0.5,0.8 --theory wiener --theory local-score`, two minutes of one core): on paths of held-out "
                "images the local score is nearest at t = 0.8 and explains 0.93 [0.88, 0.96]. The median r² between "
                "its samples and the network's is 0.92 [0.62, 0.95] over 6 initial noises, the squared correlation "
                "0.92 [0.67, 0.95]; of û* 0.71 [0.39, 0.82] and 0.74 [0.48, 0.82], of the Wiener field 0.72 [0.08, "
                "0.77] and 0.72 [0.54, 0.79]. Published for such networks: 0.94 (Kamb and Ganguli).\n\n"
                "![Six garments of the network, and from the same noises those of û*, of the Wiener field and of the "
                "local score.](figures/theories_samples-fashion-mnist.png)",
    "gradient-variance": "Both are asked about fresh noises with the rows that they were trained on, so that neither "
                         "is near 0; models of fixed pairs are on the page [pairing](pairing.md).",
}
COST = {
    "alignment": "û* at n_pairs × n_times states: two products of the states with all n rows each, O(n_pairs · "
                 "n_times · n · d); no model is called.",
    "error": "As alignment, and one call of the model per pair and time.",
    "hybrid": "One trajectory of û* per noise, then n_steps calls of the model from every τ on: about half of n_taus × "
              "n_steps calls per noise with Euler.",
    "memorization": "n_steps calls of the model per sample (none with --samples), n_steps of û* for 64 controls, and "
                    "an exact search of the nearest rows, O(samples · n · d).",
    "quality": "Samples as for memorization; Fréchet distances need O(samples · d²), precision, recall and KID all "
               "pairs of samples and rows.",
    "membership": "û* with each image in the place of a training row, at n_images × n_noises × n_times states; three "
                  "calls of the model for each.",
    "provenance": "Two trajectories per followed sample with all n rows at 21 times, and n_noises samples of the model "
                  "and of û*.",
    "theories": "Every theory at n_pairs × 3 kinds of states × n_times, and n_steps more times for its samples: a pass "
                "over all n rows each, Wiener excepted; at fresh states 18 times more, with fits on at most 256 rows.",
    "gradient-variance": "A gradient of every parameter per pair and time, n_samples × n_times in all, a bounded "
                         "number of them in memory at once.",
    "patches": "n_steps calls of the model per sample, and O(images · n · windows · k²) at the same place; at any "
               "place as many times more as there are places, for n_any images and windows half a window apart.",
    "symmetry": "About 40 Jacobian-vector products per trajectory and time, and for û* the covariance of the training "
                "examples that have weight: with the defaults 9 trajectories and 20 times.",
    "geometry": "At each of 3 × n_images points and every time, a Jacobian-vector product per coordinate up to 128 of "
                "them, else n_probes; û* at the same states.",
    "uturn": "From every time t, n_steps × (1 - t) calls of the model and as many steps of û* per start: with the "
             "default times 1050 of both per start, of which there are 2 × n_starts.",
    "audit": "Memorization, metrics, membership and provenance together; the samples are drawn once.",
    "canaries": "Planting takes no time; the audit as without canaries, and the model's loss on every canary. "
                "Without the training:",
    "agreement": "n_steps calls of both models per noise, and an exact search of the nearest rows of both sets.",
    "pairing": "Training, n_steps × batch_size states; then n_steps calls of the model and of the exact minimiser per "
               "noise.",
    "study_size": "Training of sizes × seeds models, and of each: n_samples samples and error curves at 26 times.",
    "study_losses": "Training of losses × seeds models, judged at every evaluation; EFM's target adds little, "
                    "O(batch · M · d) a step (benchmarks/efm_cost.py).",
    "study_time": "Training of sizes × seeds models, judged at every evaluation.",
}


def text_of(page):
    """Return the Section of a page."""
    return AUDIT if page == "audit" else card(page)
