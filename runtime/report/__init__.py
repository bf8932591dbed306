"""The report of a build or a verification: ``report.json`` for scripts, ``report.html`` for people."""
