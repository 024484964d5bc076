"""Published patch sizes k(t) of networks of Fashion-MNIST, to draw beside calibrated ones.

Read from the files of the code of Kamb and Ganguli, "An analytic theory of creativity in convolutional diffusion
models", arXiv 2412.20292 (github.com/Kambm/convolutional_diffusion, files/scales_FashionMNIST_*). There are 20 steps at
s = 1/20, ..., 1 of x = cos(a) x1 + sin(a) x0, a = π s / (2 · 1.008); the linear path has the same ratio of data and
noise at t = 1 / (1 + tan a). The networks know the class; a size is the median over samples of that of the
largest cosine between scores (scales_calibration.py), where ours is of velocities.
"""

import math

SIDE = 28
SIZES = {
    "ResNet": (3, 3, 5, 5, 7, 7, 9, 9, 9, 11, 11, 11, 13, 13, 13, 15, 15, 15, 17, 17),
    "U-Net": (3, 3, 5, 5, 7, 7, 7, 9, 11, 11, 11, 13, 15, 15, 21, 23, 25, 25, 25, 25),
}
TIMES = tuple(1 / (1 + math.tan(math.pi * k / 20 / 2.016)) for k in range(1, 21))
