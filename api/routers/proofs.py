"""For auditors: checkpoints, proofs and tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Path, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field

from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.responses import Success, documented, success
from api.routers.parts import router
from projections.proofs import (
    NoCheckpoint,
    NoSuchTile,
    NotSealedYet,
    checkpoint,
    consistency,
    inclusion,
    tile,
)
from projections.reader import POSITION_MAX

if TYPE_CHECKING:
    from projections.proofs import KeptCheckpoint

routes = router("/audit", "audit")

Auditor = Annotated[Caller, Depends(Allow(Role.AUDITOR, Role.ADMIN))]
Size = Annotated[
    int | None, Query(ge=1, le=POSITION_MAX, description="Of this checkpoint; of the newest.")
]
LEVEL_MAX = 7
BYTES = {"type": "string", "format": "binary"}
HASH = "41a2c0b8e7d5f3a1908172635443526170819fa0b1c2d3e4f5061728394a5b6c"
NOTE = (
    "ledger.example.com/hesabu\n41\nQaLAuOfV86GQgXJjVENSYXCBn6CxwtPk9QYXKDlKW2w=\n\n"
    "— ledger.example.com/hesabu Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5\n"
)


class CheckpointData(BaseModel):
    """A signed checkpoint. `note` is it, as C2SP tlog-checkpoint has it; the rest is read from it.

    `root` is hexadecimal.
    """

    size: int = Field(examples=[41])
    root: str = Field(examples=[HASH])
    note: str = Field(examples=[NOTE])
    signed_at: AwareDatetime


class InclusionData(BaseModel):
    """The event at `position` has the leaf `index` in the checkpoint's tree; hashes in hexadecimal.

    Check it as RFC 9162, 2.1.3.2 says, with the checkpoint's size and root.
    """

    position: int
    index: int = Field(examples=[6])
    leaf: str = Field(examples=[HASH])
    path: list[str] = Field(examples=[[HASH]])
    checkpoint: CheckpointData


class ConsistencyData(BaseModel):
    """The first `first.size` events of `second` are those of `first`; hashes in hexadecimal.

    Check it as RFC 9162, 2.1.4.2 says, with both sizes and roots.
    """

    path: list[str] = Field(examples=[[HASH]])
    first: CheckpointData
    second: CheckpointData


@routes.get(
    "/checkpoint", response_model=Success[CheckpointData], responses=documented(NoCheckpoint)
)
async def read_checkpoint(_caller: Auditor, request: Request, size: Size = None) -> Response:
    """The newest checkpoint, or that of a size."""
    return success(_rendered(await checkpoint(doors_of(request).reader, size)))


@routes.get(
    "/proofs/inclusion",
    response_model=Success[InclusionData],
    responses=documented(NoCheckpoint, NotSealedYet),
)
async def prove_inclusion(
    _caller: Auditor,
    request: Request,
    position: Annotated[int, Query(ge=1, le=POSITION_MAX)],
    size: Size = None,
) -> Response:
    """That an event is in the log which a checkpoint is of."""
    proof = await inclusion(doors_of(request).reader, position, size)
    return success(
        {
            "position": position,
            "index": position - 1,
            "leaf": proof.leaf.hex(),
            "path": [each.hex() for each in proof.path],
            "checkpoint": _rendered(proof.checkpoint),
        }
    )


@routes.get(
    "/proofs/consistency",
    response_model=Success[ConsistencyData],
    responses=documented(NoCheckpoint, NotSealedYet),
)
async def prove_consistency(
    _caller: Auditor,
    request: Request,
    first: Annotated[int, Query(ge=1, le=POSITION_MAX, alias="from")],
    second: Annotated[int | None, Query(ge=1, le=POSITION_MAX, alias="to")] = None,
) -> Response:
    """That a checkpoint continues an earlier one: nothing before it was changed."""
    proof = await consistency(doors_of(request).reader, first, second)
    return success(
        {
            "path": [each.hex() for each in proof.path],
            "first": _rendered(proof.first),
            "second": _rendered(proof.second),
        }
    )


@routes.get(
    "/tiles/{level}/{index}",
    response_class=Response,
    responses={
        200: {
            "description": "The hashes, 32 bytes each, at most 256 (C2SP tlog-tiles).",
            "content": {"application/octet-stream": {"schema": BYTES, "example": ""}},
        },
        **documented(NoCheckpoint, NoSuchTile),
    },
)
async def read_tile(
    level: Annotated[int, Path(ge=0, le=LEVEL_MAX)],
    index: Annotated[int, Path(ge=0, le=POSITION_MAX)],
    _caller: Auditor,
    request: Request,
) -> Response:
    """A tile of the newest checkpoint's tree; the last one of a level may hold less than 256."""
    hashes = await tile(doors_of(request).reader, level, index)
    return Response(hashes, media_type="application/octet-stream")


def _rendered(kept: KeptCheckpoint) -> dict[str, Any]:
    return {
        "size": kept.size,
        "root": kept.root.hex(),
        "note": kept.note,
        "signed_at": kept.signed_at,
    }
