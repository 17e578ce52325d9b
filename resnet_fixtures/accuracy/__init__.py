"""Score a graph on labelled images, and judge what it reached."""
