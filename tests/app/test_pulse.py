"""Pulse and Watchdog: only a call that goes on and on counts as stuck."""

from app.pulse import LOOK_MOST_S, Pulse, Watchdog


def test_a_pulse_is_stuck_only_inside_one_call_and_a_stopped_process_blames_nobody() -> None:
    pulse = Pulse()
    dog = Watchdog(pulse)
    assert dog.stuck_s(100.0) == 0.0
    with pulse:
        assert [dog.stuck_s(at_s) for at_s in (100.0, 100.25, 100.5)] == [0.0, 0.25, 0.5]
        assert dog.stuck_s(4000.0) == 0.5 + LOOK_MOST_S
    assert dog.stuck_s(4000.25) == 0.0
    with pulse:
        assert dog.stuck_s(4000.5) == 0.0
    with pulse:  # another call: the time starts anew
        assert dog.stuck_s(4000.75) == 0.0
