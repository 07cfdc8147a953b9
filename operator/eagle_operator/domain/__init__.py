"""Pure decisions: what is to be done, given what was seen. No input, no output; the clock is an argument."""
