# SPDX-License-Identifier: Apache-2.0
# Clocks that are set, machines that sleep, soaks of days: through the binary, on a clock of the test's.
bats_require_minimum_version 1.5.0
load ../lib

story() {
    python3 -B "$BATS_TEST_DIRNAME/stories.py" "$@"
}

@test "a soak of 72 hours is waited for to the end" {
    story a_soak_of_72_hours
}

@test "a clock that is set forward shortens no soak" {
    story a_clock_set_forward_shortens_no_soak
}

@test "a clock that is set back prolongs no soak" {
    story a_clock_set_back_prolongs_no_soak
}

@test "a machine that sleeps watches nothing meanwhile" {
    story a_machine_that_sleeps_watches_nothing
}

@test "killed in a soak, booted a day later and resumed, it goes on" {
    story killed_and_resumed_hours_later_after_a_reboot
}

@test "a clock that is set back between two runs shortens no soak" {
    story killed_and_the_clock_set_back_before_it_is_resumed
}

@test "a clock that is set forward between two runs shortens no soak" {
    story killed_and_the_clock_set_forward_before_it_is_resumed
}

@test "a step waits for its window, over a weekend" {
    story a_step_waits_for_its_window
}

@test "no evidence until the deadline of a day is status 4" {
    story no_evidence_until_the_deadline_is_status_4
}
