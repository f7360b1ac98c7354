"""Right requests to the routes that prove the log, and who may send them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.api.role_rules import READ_BY_AUDITORS, Route, Rule

if TYPE_CHECKING:
    from tests.api.deployment import Deployment

RULES: Final[dict[Route, Rule]] = {
    Route("GET", "/audit/checkpoint"): READ_BY_AUDITORS,
    Route("GET", "/audit/proofs/inclusion"): READ_BY_AUDITORS,
    Route("GET", "/audit/proofs/consistency"): READ_BY_AUDITORS,
    Route("GET", "/audit/tiles/{level}/{index}"): READ_BY_AUDITORS,
    Route("GET", "/audit/exports"): READ_BY_AUDITORS,
}


def proof_request(doors: Deployment, route: Route) -> dict[str, Any] | None:
    """Path and query for one of these routes, about a checkpoint that there is; None for others."""
    if route not in RULES:
        return None
    size = doors.seal()
    path = route.path.replace("{level}", "0").replace("{index}", "0")
    params = {
        "/audit/proofs/inclusion": {"position": "1"},
        "/audit/proofs/consistency": {"from": str(size)},
        "/audit/exports": {"format": "hledger", "until": "1"},
    }
    return {"path": path, "params": params.get(route.path, {})}
