"""Read, check and preprocess the images: dummy, ImageNet and the embedded digits."""
