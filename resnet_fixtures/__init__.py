"""Time and score ResNet-50 v1.5 on TensorFlow, on CPUs, with pytest."""
