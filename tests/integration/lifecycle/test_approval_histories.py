"""Whatever is judged, lost, retried, purged and erased: what nobody approved is not given out.

Hypothesis makes up histories of jobs that share images: of rows with variants, of which some are
made again, picked among, and taken back. What may be given out is known here from what was said of
which image, and compared with every query that finds images to give out.
"""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from uuid import UUID

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, text

from api.views.jobs import find_to_give_out
from api.views.renditions import public_image
from catalogue.channels import find_channel
from core.db.clock import transaction_time
from core.db.models import Batch, Image, Job, Judgement
from core.domain.approval import Approval
from core.domain.states import JobState
from core.errors import ConflictError, NotFoundError
from core.lifecycle import erasure, retention
from core.lifecycle.approval import given_out_among, may_be_given_out, shown
from core.lifecycle.judging import Reviewer, Verdict, judge, judge_waiting
from core.lifecycle.picking import pick, take_back
from core.lifecycle.redo import Replacement, lock_slots, redo
from core.lifecycle.retry import failed_jobs, retry_jobs
from core.publishing.images import publishable, still_publishable
from tests.integration.shop import Shop
from tests.specs import wanted

PRODUCTS = st.sampled_from(["mug", "cup"])
ANNA = Reviewer(key_id=UUID(int=1), name="Anna")
BEN = Reviewer(key_id=UUID(int=2), name="Ben")
REVIEWERS = st.sampled_from([ANNA, BEN])
WEB = find_channel("web")


class ApprovalHistory(RuleBasedStateMachine):
    """One shop, its worker, its reviewers, and S3's losses."""

    shop: Shop
    jobs = Bundle("jobs")
    seeds = count(1)

    @initialize()
    def begin(self):
        with self.shop.database.session() as session:
            session.execute(text("truncate batch, job, generation, image, judgement cascade"))
        self.gated: dict[UUID, bool] = {}
        self.said: dict[UUID, tuple[Approval, UUID]] = {}
        """Of a job: what was said last, and of which image."""
        self.acts: list[tuple[UUID, datetime, Reviewer, dict[UUID, Approval]]] = []
        """What one person said at one moment, in a batch, and what was said before that."""

    @rule(
        target=jobs,
        products=st.lists(PRODUCTS, min_size=1, max_size=2),
        variants=st.integers(1, 2),
        gated=st.booleans(),
    )
    def send(self, products, variants, gated):
        asked = [
            wanted(one, sku=one, line=line, variant=variant, files={"web": f"{one}.webp"})
            for line, one in enumerate(products, start=2)
            for variant in range(1, variants + 1)
        ]
        ids = self.shop.want(*asked, batch=True, require_approval=gated).job_ids
        self.gated |= dict.fromkeys(ids, gated)
        return multiple(*ids)

    @rule(job_id=jobs)
    def make(self, job_id):
        job = self._job(job_id)
        if job and job.state is JobState.QUEUED:
            self.shop.succeed(self.shop.start(job_id))

    @rule(job_id=jobs, approval=st.sampled_from(Approval), behind=st.integers(0, 1), by=REVIEWERS)
    def judge(self, job_id, approval, behind, by=ANNA):
        job = self._job(job_id)
        if job is None:
            return
        verdict = Verdict(approval=approval, reason=None, by=by)
        seen = {job_id: job.approval_version - behind}
        with self._saying(job, by) as session:
            done = judge(session, "shop", seen, verdict)
        assert job_id not in done.changed or behind == 0

    @rule(job_id=jobs, approval=st.sampled_from(Approval))
    def judge_all_that_wait(self, job_id, approval):
        job = self._job(job_id)
        if job is None:
            return
        verdict = Verdict(approval=approval, reason=None, by=ANNA)
        with self._saying(job, ANNA) as session:
            judge_waiting(session, "shop", job.batch_id, verdict)

    @rule(job_id=jobs, has_seen=st.booleans(), by=REVIEWERS)
    def pick(self, job_id, has_seen, by):
        """All of it, or nothing."""
        job = self._job(job_id)
        if job is None:
            return
        row = [
            one for one in self.shop.all(Job)
            if (one.batch_id, one.line) == (job.batch_id, job.line)
        ]  # fmt: skip
        of_row = {one.id: one for one in row}
        seen = {one: of_row[one].approval_version for one in (of_row if has_seen else [job_id])}
        with self._saying(job, by) as session:
            done = pick(session, "shop", job.batch_id, job_id, seen=seen, by=by)
        if done.changed or done.unchanged:
            assert self._job(job_id).approval is Approval.APPROVED
            made = [one for one in row if one.state is JobState.SUCCEEDED and one.id != job_id]
            assert all(self._job(one.id).approval is Approval.REJECTED for one in made)
        if done.conflicts:
            assert not has_seen
            assert any(of_row[one].approval is Approval.APPROVED for one in done.conflicts)

    @rule(last=st.integers(0, 2))
    def take_back(self, last):
        """Of what nobody else has changed since, each is what it was."""
        if last >= len(self.acts):
            return
        batch_id, said_at, by, before = self.acts[-1 - last]
        job = self._job(next(iter(before)))
        if job is None:
            return
        with self._saying(job, by) as session:
            done = take_back(session, "shop", batch_id, said_at=said_at, by=by)
        for one in done.changed:
            assert self._job(one).approval is before[one]

    @rule(target=jobs, job_id=jobs)
    def redo(self, job_id):
        """Another image is wanted in the place of one that is not approved."""
        with self.shop.database.session() as session:
            slot = lock_slots(session, "shop", [job_id]).get(job_id)
            if slot is None:
                return multiple()
            try:
                slot.check()
                job = slot.job
                another = wanted(
                    job.spec.prompt,
                    seed=next(self.seeds),
                    sku=job.sku,
                    line=job.line,
                    variant=job.variant,
                    files=job.files,
                )
                replacement = Replacement(replaced=job, wanted=another)
                batch = session.get_one(Batch, job.batch_id)
                (made,) = redo(session, [replacement], batch=batch).job_ids
            except ConflictError:
                session.rollback()
                return multiple()
            self.gated[made] = self.gated[job_id]
        return made

    @rule(job_id=jobs)
    def lose_image(self, job_id):
        job = self._job(job_id)
        if job and job.image_id:
            with self.shop.database.session() as session:
                retention.lose(session, job.image_id)

    @rule(job_id=jobs, approval=st.sampled_from(Approval))
    def make_again(self, job_id, approval):
        """What was judged is lost, and another image is made in its place."""
        self.make(job_id)
        self.judge(job_id, approval, 0)
        self.lose_image(job_id)
        self.nothing_leaves_that_may_not()
        self.retry(job_id)
        self.make(job_id)

    @rule(job_id=jobs)
    def forget_image(self, job_id):
        """As the janitor does, in its two steps."""
        job = self._job(job_id)
        if job and job.image_id:
            with self.shop.database.session() as session:
                retention.mark(session, Image.id == job.image_id)
            with self.shop.database.session() as session:
                retention.forget(session, [job.image_id])

    @rule(job_id=jobs)
    def retry(self, job_id):
        job = self._job(job_id)
        if job is None:
            return
        with self.shop.database.session() as session:
            batch = session.get_one(Batch, job.batch_id)
            retry_jobs(session, batch, failed_jobs(session, batch.id), revisions=["r1"])

    @rule(job_id=jobs)
    def erase(self, job_id):
        job = self._job(job_id)
        if job and job.state is JobState.SUCCEEDED:
            with self.shop.database.session() as session:
                erasure.erase_job(session, job_id)

    @rule(job_id=jobs)
    def hide_batch(self, job_id):
        job = self._job(job_id)
        if job and self.shop.batch_of(job_id).open_jobs == 0:
            with self.shop.database.session() as session:
                erasure.hide_batch(session, job.batch_id)

    @invariant()
    def nothing_leaves_that_may_not(self):
        images = {one.id: one for one in self.shop.all(Image)}
        jobs = {one.id: one for one in self.shop.all(Job)}
        hidden = {one.id for one in self.shop.all(Batch) if one.deleted_at}
        free = {
            job.id: job.image_id
            for job in jobs.values()
            if job.image_id in images
            and images[job.image_id].doomed_at is None
            and job.batch_id not in hidden
            and self._may_leave(job)
        }
        in_results = self._in_results(jobs.values())
        with self.shop.database.session() as session:
            assert set(session.execute(select(Job.id).where(shown())).scalars()) == in_results
            there = {one.id: one for one in jobs.values() if one.image_id}
            assert given_out_among(session, list(there)) == {
                one.id for one in there.values() if self._may_leave(one)
            }
            assert all(may_be_given_out(one) == self._may_leave(one) for one in there.values())
            for job in jobs.values():
                if job.batch_id not in hidden:
                    found = find_to_give_out(session, "shop", job.id)[1]
                    assert (found.id if found else None) == free.get(job.id)
            at_its_turn = {
                one: image.id for one, image in still_publishable(session, list(jobs)).items()
            }
            assert {one: image for one, image in at_its_turn.items() if one in free} == {
                one: image for one, image in free.items() if one in in_results
            }
            assert all(self._may_leave(jobs[one]) for one in at_its_turn)
            for batch_id in {job.batch_id for job in jobs.values()} - hidden:
                planned = {job.id for job, _ in publishable(session, "shop", batch_id)}
                assert planned == {
                    one for one in free.keys() & in_results if jobs[one].batch_id == batch_id
                }
            for image in images.values():
                assert self._is_public(session, image) == (image.id in free.values())

    @invariant()
    def history_is_whole(self):
        """Each judgement begins where the one before ended, and the last is what the job says."""
        said: dict[UUID, list[Judgement]] = defaultdict(list)
        for one in sorted(self.shop.all(Judgement), key=lambda one: (one.created_at, one.id)):
            said[one.job_id].append(one)
        for job in self.shop.all(Job):
            history = said[job.id]
            before = [Approval.PENDING, *(one.after for one in history)]
            assert [one.before for one in history] == before[:-1]
            assert (job.approval, job.approval_version) == (before[-1], len(history))

    @staticmethod
    def _in_results(jobs: Iterable[Job]) -> set[UUID]:
        """Of each place the approved image, of which there is one at most, else the newest."""
        places = defaultdict(list)
        for job in jobs:
            places[job.slot or job.id].append(job)
        for place in places.values():
            assert sum(job.approval is Approval.APPROVED for job in place) <= 1
        best = [
            max(one, key=lambda job: (job.approval == "approved", job.id))
            for one in places.values()
        ]
        return {job.id for job in best}

    @contextmanager
    def _saying(self, job, by):
        """Note whatever is said in a transaction, and of which images."""
        before = {one.id: one.approval for one in self.shop.all(Job)}
        with self.shop.database.session() as session:
            yield session
            said_at = transaction_time(session)
        changed = {
            one.id: one for one in self.shop.all(Job) if before.get(one.id) is not one.approval
        }
        for one in changed.values():
            self.said[one.id] = (one.approval, one.image_id)
        if changed:
            self.acts.append((job.batch_id, said_at, by, {one: before[one] for one in changed}))

    def _may_leave(self, job: Job) -> bool:
        approval, image_id = self.said.get(job.id, (Approval.PENDING, None))
        if image_id != job.image_id:
            approval = Approval.PENDING
        if self.gated[job.id]:
            return approval is Approval.APPROVED
        return approval is not Approval.REJECTED

    def _is_public(self, session, image: Image) -> bool:
        try:
            public_image(session, image.token, WEB)
        except NotFoundError:
            return False
        return True

    def _job(self, job_id: UUID) -> Job | None:
        with self.shop.database.session() as session:
            return session.get(Job, job_id)


def test_nothing_is_given_out_that_nobody_approved(shop):
    class OnThisDatabase(ApprovalHistory):
        pass

    OnThisDatabase.shop = shop
    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
