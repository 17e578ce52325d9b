"""Graphs: the one definition of the architecture, and what makes a frozen graph of it ready for inference."""
