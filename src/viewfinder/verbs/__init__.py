"""One library function per verb of the command line; the only place where the stages are joined."""
