"""What Android phones need: talk through adb's server, the state that timings depend on, and a runner for their CPU."""
