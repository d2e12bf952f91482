"""The language models of GogoSpeech and how they generate."""
