"""The diagnostic patches: copies of parts of training images, from one image or from several."""
