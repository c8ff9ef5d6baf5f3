"""Whether a model is right as often as it says."""

from __future__ import annotations

import torch
from torch import Tensor

BINS = 15


class Calibration:
    """The expected calibration error of predictions that come batch by batch (Guo et al. 2017, arXiv 1706.04599).

    The confidence in a prediction is the probability of the argmax; bin m of M = 15 holds those in ((m-1)/M, m/M]:

        ECE = sum_m |B_m| / n * |accuracy(B_m) - confidence(B_m)|
    """

    def __init__(self) -> None:
        self.positions = torch.zeros(BINS, dtype=torch.double)
        self.right = torch.zeros(BINS, dtype=torch.double)
        self.confidence = torch.zeros(BINS, dtype=torch.double)

    def add(self, logits: Tensor, target: Tensor, real: Tensor) -> None:
        """Counts the real positions [B, T] of logits [B, T, V] and labels [B, T]."""
        best, predicted = logits[real].max(-1)
        confidence = (best - logits[real].logsumexp(-1)).exp().cpu().double()
        index = (confidence * BINS).ceil().long().clamp(1, BINS) - 1
        self.positions.index_add_(0, index, torch.ones_like(confidence))
        self.right.index_add_(0, index, (predicted == target[real]).cpu().double())
        self.confidence.index_add_(0, index, confidence)

    @property
    def error(self) -> float:
        """The expected calibration error in %, 0 to 100."""
        return float(100 * (self.right - self.confidence).abs().sum() / self.positions.sum())
