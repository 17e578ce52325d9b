"""Training: the architecture as a Keras model, and the small model of the digits."""
