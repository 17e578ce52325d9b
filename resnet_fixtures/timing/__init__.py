"""Time steps: warm-ups apart, raw values kept, within a budget."""
