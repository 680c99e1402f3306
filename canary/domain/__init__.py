"""The pure core: what a release is, what counts as evidence, what to do next.

Nothing here reads a clock, a socket, a random number or a log. Everything is a frozen value or a
function from values to values, so a decision can be replayed, simulated, explored and explained.
Times are Unix seconds (``*_at``, ``*_until``), durations are seconds (``*_seconds``), weights are
percent of requests (0..100) and rates are fractions (0..1) unless a name says otherwise.
"""
