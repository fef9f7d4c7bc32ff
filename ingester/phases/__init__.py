"""The seven phases, one module each, in the order of `PhaseName`.

Each takes what earlier phases persisted (`ingester.spill`), adds its notices and verdicts, and returns its
`PhaseRecord`. No phase imports another.
"""
