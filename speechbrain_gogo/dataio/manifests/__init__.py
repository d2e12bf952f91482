"""SpeechBrain CSV manifests as training data."""
