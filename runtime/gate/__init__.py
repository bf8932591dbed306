"""The gate of a team's CI: a policy, a committed baseline, checks that say why, and the files that CI systems read."""
