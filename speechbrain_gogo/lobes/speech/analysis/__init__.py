"""Analysis of tokens and of language models (Appendix I, CoFi-Speech Section IV-D)."""
