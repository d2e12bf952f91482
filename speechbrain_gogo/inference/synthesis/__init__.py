"""From text to groups of tokens by the two stages of GogoSpeech."""
