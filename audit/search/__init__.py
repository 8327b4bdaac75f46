"""The most compressed level that passes every rule, found and not tried one by one.

Levels are proposed by Optuna and compressed in memory alone; how far each is from the original on a few
thousand tokens decides which are audited, in an order that spends least, and the smallest that passes is
audited once more on items that nothing was chosen by.
"""

from __future__ import annotations

from audit.search.driver import search

__all__ = ["search"]
