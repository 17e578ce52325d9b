"""Say what a sample of timings or answers supports, and nothing more."""
