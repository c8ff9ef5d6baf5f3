"""Scheduled sampling as an instrument: one LSTM encoder-decoder, many decoding-input strategies."""

__version__ = "0.1.0"
