"""Small parameters of every diagnostic, and the further inputs that some of them need."""

TIMES = (0.2, 0.7)
SOLVER = {"n_steps": 2}
PLANE = {"features": ("pca",), "pca_components": 2}
TINY = {
    "alignment": {"n_pairs": 4, "times": TIMES},
    "error": {"n_pairs": 4, "times": TIMES},
    "hybrid": {"taus": (0.0, 0.5), "n_samples": 4, **SOLVER},
    "memorization": {"n_samples": 8, **SOLVER},
    "quality": {"n_samples": 12, "metrics": ("frechet",), **PLANE, **SOLVER},
    "membership": {"n_images": 4, "n_noises": 2, "times": TIMES, "n_paths": 4, **SOLVER},
    "provenance": {"sample_numbers": (0, 2), "n_samples": 3, "n_noises": 4, "n_steps": 4},
    "uturn": {"n_starts": 4, "times": TIMES, **SOLVER},
    "agreement": {"n_samples": 6, **SOLVER},
    "symmetry": {"n_noises": 2, "times": TIMES, **SOLVER},
    "geometry": {"n_images": 8, "times": TIMES, **SOLVER},
    "gradient-variance": {"n_samples": 4, "times": TIMES},
    "pairing": {"n_pairs": 4, "sigmas": (0.0,), "steps": 1, "batch_size": 4, "width": 8, "depth": 1, "n_steps": 3},
    "metrics": {"n_samples": 12, **PLANE, **SOLVER},
    "theories": {"n_pairs": 4, "n_calibration": 2, "times": TIMES, "n_steps": 3},
    "patches": {"n_samples": 4, "n_controls": 2, "n_any": 2, **SOLVER},
    "canaries": {"n_samples": 8, **SOLVER},
    "duplicates": {"neighbor": 3},
}
