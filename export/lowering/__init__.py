"""Exact rewrites of operators that phone formats do not take. Importing a module of this package imports torch."""
