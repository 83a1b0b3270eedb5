"""Whatever is judged, lost, retried, purged and erased: what nobody approved is not given out.

Hypothesis makes up histories of jobs that share images. What may be given out is known here from
what was said of which image, and compared with every query that finds images to give out.
"""

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
from sqlalchemy import text

from api.views.jobs import find_to_give_out
from api.views.renditions import public_image
from catalogue.channels import find_channel
from core.db.models import Batch, Image, Job
from core.domain.approval import Approval
from core.domain.states import JobState
from core.errors import NotFoundError
from core.lifecycle import erasure, retention
from core.lifecycle.judging import Reviewer, Verdict, judge
from core.lifecycle.retry import failed_jobs, retry_jobs
from core.publishing.images import publishable, still_publishable
from tests.integration.shop import Shop
from tests.specs import wanted

PRODUCTS = st.sampled_from(["mug", "cup"])
ANNA = Reviewer(key_id=UUID(int=1), name="Anna")
WEB = find_channel("web")


class ApprovalHistory(RuleBasedStateMachine):
    """One shop, its worker, its reviewers, and S3's losses."""

    shop: Shop
    jobs = Bundle("jobs")

    @initialize()
    def begin(self):
        with self.shop.database.session() as session:
            session.execute(text("truncate batch, job, generation, image, judgement cascade"))
        self.gated: dict[UUID, bool] = {}
        self.said: dict[UUID, tuple[Approval, UUID]] = {}
        """Of a job: what was said last, and of which image."""

    @rule(target=jobs, products=st.lists(PRODUCTS, min_size=1, max_size=3), gated=st.booleans())
    def send(self, products, gated):
        asked = [wanted(one, sku=one, files={"web": f"{one}.webp"}) for one in products]
        ids = self.shop.want(*asked, batch=True, require_approval=gated).job_ids
        self.gated |= dict.fromkeys(ids, gated)
        return multiple(*ids)

    @rule(job_id=jobs)
    def make(self, job_id):
        job = self._job(job_id)
        if job and job.state is JobState.QUEUED:
            self.shop.succeed(self.shop.start(job_id))

    @rule(job_id=jobs, approval=st.sampled_from(Approval), behind=st.integers(0, 1))
    def judge(self, job_id, approval, behind):
        job = self._job(job_id)
        if job is None:
            return
        verdict = Verdict(approval=approval, reason=None, by=ANNA)
        with self.shop.database.session() as session:
            done = judge(session, "shop", {job_id: job.approval_version - behind}, verdict)
        if job_id in done.changed:
            assert behind == 0
            self.said[job_id] = (approval, job.image_id)

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
        with self.shop.database.session() as session:
            for job in jobs.values():
                if job.batch_id not in hidden:
                    found = find_to_give_out(session, "shop", job.id)[1]
                    assert (found.id if found else None) == free.get(job.id)
            at_its_turn = {
                one: image.id for one, image in still_publishable(session, list(jobs)).items()
            }
            assert {one: image for one, image in at_its_turn.items() if one in free} == free
            assert all(self._may_leave(jobs[one]) for one in at_its_turn)
            for batch_id in {job.batch_id for job in jobs.values()} - hidden:
                planned = {job.id for job, _ in publishable(session, "shop", batch_id)}
                assert planned == {one for one in free if jobs[one].batch_id == batch_id}
            for image in images.values():
                assert self._is_public(session, image) == (image.id in free.values())

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
