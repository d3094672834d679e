"""The steps of one attempt, from the facts to the proof. Intent is in the ledger before each side effect, the result
after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from factory.files import make_folder
from factory.flashing import Checked, give_back, require_hardware
from factory.images import Image, write_image
from factory.line.assigning import Assigning
from factory.line.first_article import FirstArticle
from factory.line.hooks import run_hook
from factory.line.leasing import lease
from factory.line.progress import Progress, Tools
from factory.line.setup import owner_of
from factory.units.deadline import Deadline
from factory.values import AttemptState, Facts, Identity, Mac, Proof, Receipt, Work

# Putting a unit back must not be called off with the attempt: it gets this long of its own.
RESTORE_SECONDS = 30.0


class Steps:
    """Does one attempt's steps in order and keeps `progress`, so that whoever catches an error knows where it was."""

    def __init__(self, tools: Tools, progress: Progress) -> None:
        self._tools = tools
        self._progress = progress
        self._ledger = tools.setup.ledger
        self._section = tools.setup.product.unit
        self._owner = owner_of(tools.setup.bench, tools.setup.ledger)
        self._first = FirstArticle(tools.setup, tools.feed, tools.keys)
        self._assigning = Assigning(
            tools, progress, begin=self._begin, look_at_host_key=self._look_at_host_key, check=self._could_be
        )

    def restore_pending(self, facts: Facts) -> bool:
        """Give back what an earlier attempt owes to this unit; True when there was something to give back."""
        owed = self._ledger.pending_restores(facts)
        if owed:
            # What is put back is a script that lies on the unit: not run on one that only shows the right addresses.
            self._look_at_host_key(self._assigning.own_addresses(facts))
        for one in owed:
            self._begin("restore")
            within = self._deadline(self._section.timeouts.flash)
            done = give_back(self._tools.contact.unit, one.data, self._section, deadline=within, owner=self._owner)
            self._ledger.clear_restore(one.id, slot=self._tools.slot.name, data={"put_back": done})
        return bool(owed)

    def holds(self, image: Image | None) -> bool:
        """Whether the unit still holds the image that it passed with; nothing is asked of one that did not pass."""
        if image is None:
            return True
        within = self._deadline(self._section.timeouts.flash)
        faults = self._tools.setup.method.differs(self._tools.contact.unit, image, deadline=within)
        for fault in faults:
            self._tools.transcript.note(f"not as it passed: {fault}")
        return not faults

    def admit(self, facts: Facts) -> None:
        """Find out who the unit is and lease that identity.

        Raises HardwareRefused, IdentityRefused, Refused, UnitError, LedgerError.
        """
        setup = self._tools.setup
        self._begin("identify")
        require_hardware(setup.product.hardware, facts)
        self._first.require(facts)
        work = self._ledger.assign(facts, setup.lot, required=setup.product.order.required)
        with self._assigning.assigned(facts, work) as (now, given):
            if now is not facts and self.restore_pending(now):
                # Only now does it show whose it is: an earlier attempt owes it something.
                now = self._progress.facts = self._tools.contact.read(self._tools.contact.unit, self._reading())
            self._lease(now, given)

    def _lease(self, facts: Facts, work: Work) -> None:
        """Work out the identity and lease it. Raises as `admit`."""
        tools = self._tools
        work = self._worked_out(facts, work)
        identity = self._identify(facts, work)
        self._begin("admit")
        record = lease(tools, identity, facts, work)
        self._progress.record = record
        tools.transcript.note(f"attempt {record.id}: {identity.hardware_id.text} {record.note}".rstrip())
        tools.host_keys.attempt = record.id
        self._look_at_host_key(identity.macs.values())

    def work(self, facts: Facts) -> None:
        """What the station does with an admitted unit: flash it, prove it, let it pass."""
        receipt = self.flash(facts)
        proof = self.prove(facts)
        self.finish(receipt, proof)

    def keep_failure(self, code: str, cause: str, data: dict[str, object], *, refused: bool) -> bool:  # noqa: ARG002
        """Commit how the work failed; False where the unit was not admitted yet, and has to be turned away."""
        if self._progress.record is None:
            return False
        self._ledger.failed(self._progress.record.id, code, cause, data)
        return True

    def flash(self, facts: Facts) -> Receipt:
        """Wait for the first article; build the image, see whether the unit is fit, write it and read it back."""
        tools, progress = self._tools, self._progress
        assert progress.identity is not None
        assert progress.record is not None
        remark = self._first.wait(facts, progress.record.id, cancel=tools.cancel)
        progress.warnings += [remark] if remark else []
        self._register()
        method, timeouts = tools.setup.method, self._section.timeouts
        self._begin("build")
        image = self._image(progress.identity)
        progress.image = image
        if tools.setup.labelling is not None:
            tools.setup.labelling.require_label(progress.identity, progress.record)
        self._begin("preflight")
        checked = method.preflight(
            tools.contact.unit, image, deadline=self._deadline(4 * timeouts.command + timeouts.flash)
        )
        progress.medium = checked.medium
        self._begin("flash")
        tools.transcript.save()
        self._ledger.advance(
            progress.record.id, AttemptState.FLASHING, self._intent(checked), image=image.manifest.image
        )
        progress.owed = checked.pending
        progress.sealed = True
        receipt = method.flash(
            tools.contact.unit,
            image,
            checked,
            facts=facts,
            deadline=self._deadline(timeouts.flash),
            reread=tools.contact.read,
            progress=self._sent(method.size(image)),
        )
        progress.receipt = receipt
        progress.sealed = False
        self._ledger.advance(progress.record.id, AttemptState.FLASHED, receipt.as_json())
        tools.transcript.save()
        return receipt

    def prove(self, facts: Facts) -> Proof:
        """Reboot the unit and let it say who it is; then drop its old content."""
        tools, progress = self._tools, self._progress
        assert progress.identity is not None
        assert progress.record is not None
        assert progress.image is not None
        assert progress.owed is not None
        assert progress.receipt is not None
        timeouts = self._section.timeouts
        # Not called off between flash and prove: prove itself puts the old content back when it is called off.
        self._say("prove")
        progress.sealed = True
        proof, unit = tools.setup.method.prove(
            tools.contact.unit,
            progress.image,
            progress.identity,
            pending=progress.owed,
            receipt=progress.receipt,
            reboot=tools.setup.product.prove.reboot,
            facts=facts,
            reconnect=tools.contact.reconnect,
            deadline=self._deadline(timeouts.reboot + timeouts.login + 4 * timeouts.command),
            power=tools.setup.power(tools.slot),
            reread=tools.contact.read,
        )
        progress.sealed = False
        progress.warnings += proof.warnings
        tools.contact.use(unit)
        self._ledger.advance(progress.record.id, AttemptState.PROVED, proof.as_json())
        return proof

    def finish(self, receipt: Receipt, proof: Proof) -> None:
        """Keep the image, drop the unit's old content, print its label, write PASSED, run the maker's hook."""
        tools, progress = self._tools, self._progress
        setup = tools.setup
        assert progress.record is not None
        assert progress.image is not None
        assert progress.owed is not None
        self._say("finish")
        if setup.images_out is not None:
            progress.kept_image = write_image(progress.image, make_folder(setup.images_out, mode=0o700))
        # From here on the new content stays: no cancel flag, it is a matter of a second.
        setup.method.finish(tools.contact.unit, progress.owed, deadline=Deadline(self._section.timeouts.command))
        progress.owed = None
        if setup.labelling is not None:
            setup.labelling.attach(tools, progress)
        hook = bool(setup.product.hooks.after_pass)
        self._ledger.passed(progress.record.id, receipt, proof, hook=hook)
        if hook:
            self._say("hook")
            progress.hook = run_hook(self._ledger, setup.product, progress.record.id, cancel=tools.cancel)

    def put_back(self) -> None:
        """After an error: put the old content back, or leave that to the next contact, in the ledger."""
        progress = self._progress
        if progress.owed is None or progress.record is None:
            return
        owed, progress.owed = progress.owed, None
        try:
            within = Deadline(RESTORE_SECONDS)
            give_back(self._tools.contact.unit, owed, self._section, deadline=within, owner=self._owner)
        except Exception:
            # Whatever went wrong, also a bug of ours: the debt must not be lost with it.
            self._ledger.leave_restore(progress.record.id, owed.as_json())
            raise

    def _look_at_host_key(self, macs: Iterable[Mac]) -> None:
        host_key = getattr(self._tools.contact.unit, "host_key", None)
        if host_key is not None:
            addresses = tuple(mac.colons for mac in macs)
            self._tools.host_keys.seen_on_unit(self._tools.slot.name, host_key, addresses)

    def _could_be(self, facts: Facts, work: Work) -> None:
        """Raise IdentityRefused where a unit with these facts would be refused."""
        self._tools.setup.identifier.identify(facts, self._worked_out(facts, work))

    def _worked_out(self, facts: Facts, work: Work) -> Work:
        """The work with what a cloud wants of the maker, where the line works at one. Nothing is committed."""
        registering = self._tools.setup.registering
        return work if registering is None else registering.assign(facts, work)

    def _identify(self, facts: Facts, work: Work) -> Identity:
        """Who the unit is, its secrets masked from here on. Raises IdentityRefused."""
        tools = self._tools
        identified = tools.setup.identifier.identify(facts, work)
        identity = identified.identity
        for secret in identity.hidden:
            tools.masks.add(secret.reveal())
        self._progress.identity = identity
        self._progress.warnings += [tools.masks.text(str(finding)) for finding in identified.warnings]
        return identity

    def _register(self) -> None:
        """Before the image: the unit's place at a cloud where the line works itself."""
        tools, progress = self._tools, self._progress
        assert progress.identity is not None
        assert progress.record is not None
        if tools.setup.registering is None:
            return
        self._begin("register")
        identity = tools.setup.registering.prepare(progress.identity, progress.record)
        for secret in identity.hidden:
            tools.masks.add(secret.reveal())
        progress.identity = identity

    def _image(self, identity: Identity) -> Image:
        return self._tools.setup.builder.build(identity)

    def _sent(self, size: int) -> Callable[[int], None]:
        """What the method calls with the bytes that it has sent."""

        def sent(count: int) -> None:
            self._progress.sent = count
            self._tools.feed.progress("flash", self._attempt, count, max(count, size))

        return sent

    def _intent(self, checked: Checked) -> dict[str, object]:
        return {
            "method": self._tools.setup.method.name,
            "medium": checked.medium,
            "route": self._tools.contact.unit.route,
            "preflight": checked.as_json(),
            "pending": checked.pending.as_json(),
            "transcript": self._tools.transcript.path.name,
        }

    @property
    def _attempt(self) -> int | None:
        return None if self._progress.record is None else self._progress.record.id

    def _begin(self, step: str) -> None:
        self._deadline(1.0).check(f"about to {step}")
        self._say(step)

    def _say(self, step: str) -> None:
        self._progress.step = step
        self._tools.transcript.note(f"step: {step}")
        self._tools.feed.step(step, self._attempt, self._tools.contact.routes)

    def _reading(self) -> Deadline:
        return self._deadline(4 * self._section.timeouts.command)

    def _deadline(self, seconds: float) -> Deadline:
        return Deadline(seconds, cancel=self._tools.cancel)
