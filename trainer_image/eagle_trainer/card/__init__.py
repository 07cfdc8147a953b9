"""The model card: one HTML file in every bundle that tells people what the model is and how far it can be trusted."""

from eagle_trainer.card.content import Advice, CardInput, Explained, Finding, Learning, Part, Trial
from eagle_trainer.card.page import render

__all__ = ["Advice", "CardInput", "Explained", "Finding", "Learning", "Part", "Trial", "render"]
