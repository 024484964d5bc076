"""Works that cards cite by authors and year or by number on arXiv: authors, title, venue, number, for BibTeX."""

# Key of citation: (authors, title, venue, number on arXiv); the key is the first surname and the year.
WORKS = {
    "barz2020": ("Björn Barz and Joachim Denzler", "Do We Train on Test Data? Purging CIFAR of Near-Duplicates",
                 "Journal of Imaging 6(6)", "1902.00423"),
    "behjoo2023": ("Hamidreza Behjoo and Michael Chertkov", "U-Turn Diffusion", "Entropy, 2025", "2308.07421"),
    "binkowski2018": ("Mikołaj Bińkowski and Danica J. Sutherland and Michael Arbel and Arthur Gretton",
                      "Demystifying MMD GANs", "ICLR 2018", "1801.01401"),
    "biroli2024": ("Giulio Biroli and Tony Bonnaire and Valentin de Bortoli and Marc Mézard",
                   "Dynamical Regimes of Diffusion Models", "Nature Communications 15", "2402.18491"),
    "bonnaire2025": ("Tony Bonnaire and Raphaël Urfin and Giulio Biroli and Marc Mézard",
                     "Why Diffusion Models Don't Memorize: The Role of Implicit Dynamical Regularization in Training",
                     "NeurIPS 2025", "2505.17638"),
    "carlini2019": ("Nicholas Carlini and others", "The Secret Sharer: Evaluating and Testing Unintended Memorization "
                    "in Neural Networks", "USENIX Security 2019", "1802.08232"),
    "carlini2022": ("Nicholas Carlini and others", "Membership Inference Attacks From First Principles",
                    "IEEE Symposium on Security and Privacy 2022", "2112.03570"),
    "carlini2023": ("Nicholas Carlini and others", "Extracting Training Data from Diffusion Models",
                    "USENIX Security 2023", "2301.13188"),
    "chong2020": ("Min Jin Chong and David Forsyth", "Effectively Unbiased FID and Inception Score and Where to Find "
                  "Them", "CVPR 2020", "1911.07023"),
    "chvatal1979": ("Václav Chvátal", "A Greedy Heuristic for the Set-Covering Problem",
                    "Mathematics of Operations Research 4(3)", ""),
    "gu2023": ("Xiangming Gu and others", "On Memorization in Diffusion Models", "TMLR, 2025", "2310.02664"),
    "heusel2017": ("Martin Heusel and others", "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash "
                   "Equilibrium", "NeurIPS 2017", "1706.08500"),
    "kadkhodaie2024": ("Zahra Kadkhodaie and Florentin Guth and Eero P. Simoncelli and Stéphane Mallat",
                       "Generalization in Diffusion Models Arises from Geometry-Adaptive Harmonic Representations",
                       "ICLR 2024", "2310.02557"),
    "kamb2024": ("Mason Kamb and Surya Ganguli", "An Analytic Theory of Creativity in Convolutional Diffusion Models",
                 "ICML 2025", "2412.20292"),
    "kamkari2024": ("Hamidreza Kamkari and others", "A Geometric View of Data Complexity: Efficient Local Intrinsic "
                    "Dimension Estimation with Diffusion Models", "NeurIPS 2024", "2406.03537"),
    "kandpal2022": ("Nikhil Kandpal and Eric Wallace and Colin Raffel", "Deduplicating Training Data Mitigates Privacy "
                    "Risks in Language Models", "ICML 2022", "2202.06539"),
    "kynkaanniemi2019": ("Tuomas Kynkäänniemi and others", "Improved Precision and Recall Metric for Assessing "
                         "Generative Models", "NeurIPS 2019", "1904.06991"),
    "li2024": ("Marvin Li and Sitan Chen", "Critical Windows: Non-Asymptotic Theory for Feature Emergence in Diffusion "
               "Models", "ICML 2024", "2403.01633"),
    "lukoianov2025": ("Artem Lukoianov and Chenyang Yuan and Justin Solomon and Vincent Sitzmann", "Locality in Image "
                      "Diffusion Models Emerges from Data Statistics", "NeurIPS 2025", "2509.09672"),
    "morisita1959": ("Masaaki Morisita", "Measuring of Interspecific Association and Similarity between Communities",
                     "Memoirs of the Faculty of Science, Kyushu University, Series E 3", ""),
    "naeem2020": ("Muhammad Ferjad Naeem and others", "Reliable Fidelity and Diversity Metrics for Generative Models",
                  "ICML 2020", "2002.09797"),
    "niedoba2024": ("Matthew Niedoba and Berend Zwartsenberg and Kevin Murphy and Frank Wood",
                    "Towards a Mechanistic Explanation of Diffusion Model Generalization", "ICML 2025", "2411.19339"),
    "raya2023": ("Gabriel Raya and Luca Ambrogioni", "Spontaneous Symmetry Breaking in Generative Diffusion Models",
                 "NeurIPS 2023", "2305.19693"),
    "ross2024": ("Brendan Leigh Ross and others", "A Geometric Framework for Understanding Memorization in Generative "
                 "Models", "ICLR 2025", "2411.00113"),
    "scarvelis2023": ("Christopher Scarvelis and Haitz Sáez de Ocáriz Borde and Justin Solomon",
                      "Closed-Form Diffusion Models", "", "2310.12395"),
    "sclocchi2024": ("Antonio Sclocchi and Alessandro Favero and Matthieu Wyart", "A Phase Transition in Diffusion "
                     "Models Reveals the Hierarchical Nature of Data", "PNAS, 2025", "2402.16991"),
    "shokri2017": ("Reza Shokri and Marco Stronati and Congzheng Song and Vitaly Shmatikov", "Membership Inference "
                   "Attacks Against Machine Learning Models", "IEEE Symposium on Security and Privacy 2017",
                   "1610.05820"),
    "somepalli2023": ("Gowthami Somepalli and others", "Diffusion Art or Digital Forgery? Investigating Data "
                      "Replication in Diffusion Models", "CVPR 2023", "2212.03860"),
    "song2025": ("Song and Kim and Chen and Du and Kakade and Sitzmann", "Selective Underfitting in Diffusion Models",
                 "", "2510.01378"),
    "steinke2023": ("Thomas Steinke and Milad Nasr and Matthew Jagielski", "Privacy Auditing with One (1) Training "
                    "Run", "NeurIPS 2023", "2305.08846"),
    "tian2021": ("Jinjin Tian and Aaditya Ramdas", "Online Control of the Familywise Error Rate",
                 "Statistical Methods in Medical Research 30(4)", "1910.04900"),
    "wang2024": ("Binxu Wang and John J. Vastola", "The Unreasonable Effectiveness of Gaussian Score Approximation for "
                 "Diffusion Models and its Applications", "TMLR", "2412.09726"),
    "webster2023": ("Ryan Webster and Julien Rabin and Loïc Simon and Frédéric Jurie", "On the De-Duplication of "
                    "LAION-2B", "", "2303.12733"),
    "webster2023-08694": ("Ryan Webster", "A Reproducible Extraction of Training Images from Diffusion Models", "",
                          "2305.08694"),
    "yoon2023": ("TaeHo Yoon and Joo Young Choi and Sehyun Kwon and Ernest K. Ryu", "Diffusion Probabilistic Models "
                 "Generalize when They Fail to Memorize", "ICML 2023 Workshop on Structured Probabilistic Inference "
                 "and Generative Modeling", ""),
    "zhang2024": ("Huijie Zhang and others", "The Emergence of Reproducibility and Consistency in Diffusion Models",
                  "ICML 2024", "2310.05264"),
    "zhang2025": ("Huijie Zhang and others", "Understanding Generalization in Diffusion Models via Probability Flow "
                  "Distance", "", "2505.20123"),
}
BY_NUMBER = {work[3]: name for name, work in WORKS.items() if work[3]}
