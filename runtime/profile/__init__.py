"""What a run costs: time on this computer, executed instructions and memory traffic on an emulated board."""
