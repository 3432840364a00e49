"""Training the perception network: `train_perception` and its `PerceptionConfig`."""
