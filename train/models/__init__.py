"""Shipped tasks, one file each; the file name with hyphens is the name on the command line. No torch here."""
