"""Classical methods that a trained network has to beat, measured on the same pictures."""
