"""The doors through which comes what others have written; each takes any input and says what it is."""
