"""Whether it runs, whether it can answer, and what may be asked."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from archiver.service.admission import Served
from archiver.service.gauges import MEDIA_TYPE

router = APIRouter(prefix="/v1", tags=["running"])


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> dict[str, Any]:
    """Return the description of this API."""
    found: dict[str, Any] = request.app.openapi()
    return found


@router.get("/health")
def health() -> dict[str, str]:
    """Say that it runs."""
    return {"status": "up"}


@router.get("/ready")
def ready(service: Served) -> dict[str, Any]:
    """Say that it can answer: state and index are there.

    An answer of 503 takes this node out of a balancer.
    """
    service.desk.access_log.head()
    with service.library.reading() as shelf:
        return {"status": "ready", "manifest": shelf.index.covered().manifest}


@router.get("/metrics", response_class=Response)
def metrics(service: Served) -> Response:
    """Say how it goes, for Prometheus: from addresses that the configuration lists."""
    service.measure()
    return Response(service.gauges.text(), media_type=MEDIA_TYPE)
