"""The model card: one HTML file in every bundle that tells people what the model is and how far it can be trusted."""

from eagle_trainer.card.content import CardInput
from eagle_trainer.card.page import render

__all__ = ["CardInput", "render"]
