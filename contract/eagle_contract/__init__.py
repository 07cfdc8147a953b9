"""What Eagle's programs agree on: the custom resources (`api`) and the published model (`bundle`)."""
