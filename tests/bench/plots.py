"""Draws what growth.py has measured: one small SVG.

python plots.py growth.json docs/growth.svg
"""

import json
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "mobula", "svg.fonttype": "none", "font.size": 9})

import matplotlib.pyplot as plt  # noqa: E402 - the backend is chosen first


def main(source, target):
    with open(source, encoding="utf-8") as f:
        curves = json.load(f)
    figure, axes = plt.subplots(2, 2, figsize=(8, 5), constrained_layout=True)
    for axis, (name, curve) in zip(axes.flat, curves.items(), strict=True):
        across, up = zip(*curve["points"], strict=True)
        axis.plot(across, up, marker="o")
        axis.set(title=name, ylabel=curve["unit"], xscale="log")
        axis.minorticks_off()
        axis.grid(alpha=0.3)
        if max(up) > 50 * min(up):
            axis.set_yscale("log")
        else:
            axis.set_ylim(0, 1.2 * max(up))
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
