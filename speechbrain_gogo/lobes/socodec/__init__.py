"""SoCodec: the semantic-ordered multi-stream codec and its language model."""
