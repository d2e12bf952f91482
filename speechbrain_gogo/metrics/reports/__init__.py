"""Tables, plots and bootstrap intervals of results."""
