"""The network and the algorithm: batches, model, decoder inputs, training, search, scoring."""
