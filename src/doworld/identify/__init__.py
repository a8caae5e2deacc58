"""Graph and question in, an estimand or the reason why there is none out; no arrays."""
