# SPDX-License-Identifier: Apache-2.0
#
# pictures.py - differences of hand-made pictures, for pictures.txt, by programs that are not ours: NVIDIA's
# flip-evaluator 1.7 and scikit-image 0.26 (pip install flip-evaluator scikit-image). Run it to check the table.
import flip_evaluator
import numpy as np
from skimage.metrics import structural_similarity

SIZE = 64


def checker(x, y):
    value = 200 if (x // 8 + y // 8) % 2 else 60
    return value, value, value


def color(x, y):
    return x * 4 % 256, y * 4 % 256, x * y % 256


def picture(function, shift=0, brighter=0):
    rows = [[function(max(0, x - shift), y) for x in range(SIZE)] for y in range(SIZE)]
    return np.clip(np.array(rows) + brighter, 0, 255).astype(np.uint8)


def plain(*rgb):
    return picture(lambda x, y: rgb)


pairs = {
    "same": (picture(color), picture(color)),
    "checker-shift-1": (picture(checker), picture(checker, shift=1)),
    "checker-shift-4": (picture(checker), picture(checker, shift=4)),
    "checker-brighter-10": (picture(checker), picture(checker, brighter=10)),
    "color-shift-1": (picture(color), picture(color, shift=1)),
    "color-brighter-30": (picture(color), picture(color, brighter=30)),
    "black-white": (plain(0, 0, 0), plain(255, 255, 255)),
    "grey-brighter-10": (plain(100, 100, 100), plain(110, 110, 110)),
    "green-blue": (plain(0, 255, 0), plain(0, 0, 255)),
    "color-grey": (picture(color), plain(128, 128, 128)),
}
for name, (a, b) in pairs.items():
    flip = flip_evaluator.evaluate(a.astype(np.float32) / 255, b.astype(np.float32) / 255, "LDR", applyMagma=False, parameters={"ppd": 67.0})[0]
    grey = [p @ np.array([0.299, 0.587, 0.114]) for p in (a, b)]
    ssim = structural_similarity(*grey, gaussian_weights=True, sigma=1.5, truncate=3.34, use_sample_covariance=False, data_range=255, full=True)[1]
    print(f"{name} {flip.mean():.6f} {flip[32, 32, 0]:.6f} {ssim[5:-5, 5:-5].mean():.6f} {ssim[32, 32]:.6f}")
