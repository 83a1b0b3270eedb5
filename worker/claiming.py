"""Claims for the messages that come at the same moment, of models that are in memory."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import structlog
from sqlmodel import Session

from core.db.engine import Database
from core.domain.photograph_spec import ImageMode
from core.lifecycle import claims
from core.lifecycle.claims import Claim
from worker.group_commit import LOCKED, GroupCommit, Locked
from worker.loaded import LoadedModel

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Foreign:
    """A generation that was promised from a model that is not in memory."""

    revision: str


class RowModels(Protocol):
    """What the runner needs of the worker's models."""

    def claimable(self) -> Collection[str]:
        """Return the revisions of which rows can begin now."""

    def want(self, revision: str) -> bool:
        """Request the model of a row; return whether this worker serves it."""

    def using(self, revision: str) -> AbstractContextManager[LoadedModel]:
        """Keep a model in memory while the block runs.

        Raises:
            ModelNotLoadedError: It is not there.
        """


class Claiming:
    """Claims generations, each with others' in one transaction."""

    def __init__(
        self,
        database: Database,
        models: RowModels,
        *,
        owner: str,
        lease_seconds: float,
        pause_seconds: float,
        without: Callable[[], Collection[ImageMode]] = tuple,
    ) -> None:
        """Wire it.

        Args:
            database: Where generations are.
            models: Those that this worker serves.
            owner: This worker.
            lease_seconds: How long a claim holds, unless it is renewed.
            pause_seconds: After which messages of other models are sent again.
            without: Gives the modes of images that there is no room for at the moment; their
                messages are sent again then, too.
        """
        self._models = models
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._pause_seconds = pause_seconds
        self._without = without
        self._foreign: set[str] = set()
        """Models of which it was said that this worker does not serve them."""
        self._claims: GroupCommit[UUID, Claim | Foreign | None] = GroupCommit(
            database, self._claim_all
        )

    def claim(self, generation_id: UUID) -> Claim | Foreign | None:
        """Claim a generation; None: it is finished, cancelled, or somebody else's."""
        return self._claims.run(generation_id)

    def close(self) -> None:
        """Claim nothing from now on; what is being claimed is claimed when this returns."""
        self._claims.close()

    def serves(self, foreign: Foreign) -> bool:
        """Request a generation's model; return whether it is this worker's at all."""
        if self._models.want(foreign.revision):
            return True
        if foreign.revision not in self._foreign:
            self._foreign.add(foreign.revision)
            log.warning(
                "images left to workers with another model: start one that has it, or "
                "`packshot model requeue`",
                wanted=foreign.revision[:12],
                ours=", ".join(sorted(one[:12] for one in self._models.claimable())),
            )
        return False

    def _claim_all(
        self, session: Session, ids: Sequence[UUID]
    ) -> Sequence[Claim | Locked | Foreign | None]:
        owner, lease_seconds = self._owner, self._lease_seconds
        revisions, without = self._models.claimable(), self._without()
        claimed = claims.claim(
            session,
            ids,
            owner=owner,
            lease_seconds=lease_seconds,
            revisions=revisions,
            without=without,
            skip_locked=True,
        )
        others = [one for one in ids if one not in claimed]
        foreign: Mapping[UUID, str] = {}
        locked: Collection[UUID] = ()
        if others:
            foreign = claims.put_off_foreign(
                session,
                others,
                revisions=revisions,
                delay_seconds=self._pause_seconds,
                without=without,
            )
            locked = claims.claimable(session, others, revisions, without)
        found: dict[UUID, Claim | Locked | Foreign] = {
            **dict.fromkeys(locked, LOCKED),
            **{identity: Foreign(revision) for identity, revision in foreign.items()},
        }
        # Of two messages for one generation, one gets the claim.
        return [found.get(identity) or claimed.pop(identity, None) for identity in ids]
