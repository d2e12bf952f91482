"""The stages of GogoSpeech on servers of language models, such as llama.cpp's and vLLM's."""
