"""Inference: sessions pinned to a thread plan, several of them side by side, and proof of what they ran."""
