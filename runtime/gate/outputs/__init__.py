"""What CI systems read of a gate's outcome: JUnit XML, SARIF, a Markdown summary. Each turns an `Outcome` into text."""
