"""Row 4, an addition. Ray 2.60: a queued method of a single-threaded actor that is canceled after it arrived RUNS
anyway, then `get` raises (4 of 4 runs); its documents say that it is not executed. Here: it never runs.
"""

from __future__ import annotations

from beyond_kit import PROMPT_S, Cancelled, Flags, Plain, instants, outcome, seconds_until_cancelled, spin

import mobula


def test_a_method_canceled_in_the_queue_never_runs(flags: Flags) -> None:
    """Canceled when it has surely arrived: the one after it was sent first of all and is there as well."""
    actor = mobula.remote(Plain).remote(flags)
    busy = actor.hold.remote("busy")
    refs = [actor.quick.remote(str(number)) for number in range(20)]
    flags.wait("busy.started")
    for ref in refs[::2]:
        mobula.cancel(ref)
    for ref in refs[::2]:
        assert seconds_until_cancelled(ref) < PROMPT_S, "get does not wait for the running method"
    flags.up("busy.go")
    assert mobula.get(busy) == "busy"
    assert mobula.get(refs[1::2]) == [str(number) for number in range(1, 20, 2)]
    assert mobula.get(actor.history.remote()) == [str(number) for number in range(1, 20, 2)]


def test_a_method_canceled_as_the_one_before_it_ends(flags: Flags) -> None:
    """It runs or it does not; canceled after it returned, it has its value. The others always run, in order."""
    actor = mobula.remote(Plain).remote(flags)
    may_run, must_run = set(), []
    for number, delay in enumerate(instants(seed=6, count=60, longest_s=0.002)):
        before, ref, behind = (actor.quick.remote(f"{kind}{number}") for kind in ("before", "canceled", "behind"))
        spin(delay)
        mobula.cancel(ref)
        end = outcome(ref)
        assert end in (f"canceled{number}", Cancelled)
        may_run.add(f"canceled{number}")
        must_run += mobula.get([before, behind])
        if end is not Cancelled:
            assert end in mobula.get(actor.history.remote())
    history = mobula.get(actor.history.remote())
    assert [name for name in history if name not in may_run] == must_run
    assert len(set(history)) == len(history)


def test_of_a_long_queue_everything_is_canceled(flags: Flags) -> None:
    actor = mobula.remote(Plain).remote(flags)
    busy = actor.hold.remote("busy")
    flags.wait("busy.started")
    refs = [actor.quick.remote(str(number)) for number in range(500)]
    for ref in refs:
        mobula.cancel(ref)
    assert all(outcome(ref) is Cancelled for ref in refs)
    flags.up("busy.go")
    assert mobula.get(busy) == "busy"
    assert mobula.get(actor.history.remote()) == []
