"""What all figures look like: the page's own colours and type, and nothing that moves."""

from __future__ import annotations

from typing import Any

LOOK: dict[str, Any] = {
    "template": {},
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"family": "system-ui, sans-serif", "size": 13, "color": "var(--ink)"},
    "hoverlabel": {
        "bgcolor": "var(--surface)",
        "font": {"color": "var(--ink)"},
        "bordercolor": "var(--line)",
    },
    "dragmode": False,
    "showlegend": True,
    "legend": {"orientation": "h", "y": -0.12, "yref": "container", "x": 0, "itemclick": False},
}
"""Of plotly's layout."""
