"""References that several cards cite."""

PAPER_1 = ("Q. Bertrand, A. Gagneux, M. Massias, R. Emonet, “On the Closed-Form of Flow Matching: Generalization Does "
           "Not Arise from Target Stochasticity”, NeurIPS 2025, arXiv 2506.03719")
PAPER_2 = ("T. Reu, S. Dromigny, M. Bronstein, F. Vargas, “Gradient Variance Reveals Failure Modes in Flow-Based "
           "Generative Models”, NeurIPS 2025, arXiv 2510.18118")
