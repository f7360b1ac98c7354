"""Creators of whom more is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from ledger.vault import PersonalData, seal
from tests.builders import assign_fee_plan

if TYPE_CHECKING:
    from tests.api.webhooks_out.scenes import Scene

EMAIL = "a-creator@creators.example"


def with_an_email(scene: Scene, creator_id: UUID) -> UUID:
    """The same creator, whose address lies in the vault."""
    entry = seal(scene.key_store, person_id=creator_id, kind=PersonalData.EMAIL, text=EMAIL)
    scene.ledger.execute_one(replace(assign_fee_plan(creator_id), vault_entries=(entry,)))
    return creator_id
