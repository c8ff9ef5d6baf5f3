"""The bodies of the encoder-decoder, by name."""

from __future__ import annotations

from ssrun.config.run import BodyName
from ssrun.seq2seq.bodies.body import Body
from ssrun.seq2seq.bodies.recurrent import GRU, LSTM, RNN, recurrent
from ssrun.seq2seq.bodies.transformer import TransformerDecoder, TransformerEncoder

BODIES: dict[BodyName, Body] = {
    "lstm": recurrent(LSTM),
    "gru": recurrent(GRU),
    "rnn": recurrent(RNN),
    "transformer": Body(TransformerEncoder, TransformerDecoder, reads_source=True),
}
