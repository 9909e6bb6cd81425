# SPDX-License-Identifier: Apache-2.0
# Rollouts by the real drivers, on the fakes of their providers: see stories.py. Kills: kill.bats.
bats_require_minimum_version 1.5.0
load ../lib

story() {
    python3 -B "$BATS_TEST_DIRNAME/stories.py" "$@"
}

@test "what goes wrong once is not noticed, and no step is taken twice" {
    story what_passes_is_not_noticed
}

@test "what a call does not get over is asked again" {
    story what_a_call_does_not_get_over_is_asked_again
}

@test "what goes wrong for ever leaves the split, and resume or abort ends it later" {
    story what_stays_leaves_it_as_it_is_and_it_goes_on_later
}

@test "a provider that is down is status 6, and resume or abort ends it later" {
    story a_provider_that_is_down_is_status_6
}

@test "a token that expires on the way is status 8, and a new one ends it" {
    story a_token_that_expires_on_the_way_is_status_8
}

@test "what somebody else does meanwhile is status 5, and left alone" {
    story what_somebody_else_does_meanwhile_is_status_5
}

@test "Ctrl-C while a provider fails is status 130" {
    story ctrl_c_while_a_provider_fails_is_status_130
}

@test "aws: an etag that is no longer right is read again" {
    story an_etag_that_is_no_longer_right_is_read_again
}

@test "a good version finishes on the provider's own numbers" {
    story a_good_version_finishes_on_the_providers_own_numbers
}

@test "a bad version is put back on the provider's own numbers" {
    story a_bad_version_is_put_back_on_the_providers_own_numbers
}

@test "killed between looks, what was counted is not counted twice" {
    story killed_between_looks_what_was_counted_is_not_counted_twice
}

@test "no numbers of the new version are no good numbers" {
    story no_numbers_of_the_new_version_are_no_good_numbers
}

@test "numbers that stand still decide nothing" {
    story numbers_that_stand_still_decide_nothing
}

@test "numbers that come late are waited for" {
    story numbers_that_come_late_are_waited_for
}

@test "a clock that is set meanwhile confuses no numbers" {
    story a_clock_that_is_set_meanwhile_confuses_no_numbers
}

@test "numbers that cannot be had decide nothing either" {
    story numbers_that_cannot_be_had_decide_nothing_either
}

@test "sampled numbers are not scaled up" {
    story sampled_numbers_are_not_scaled_up
}

@test "another machine tells how it stands, goes on and aborts" {
    story another_machine_tells_goes_on_and_aborts
}

@test "who was taken over by another machine takes no step any more" {
    story who_was_taken_over_takes_no_step_any_more
}

@test "without any journal abort --to a version puts it there, and it is over" {
    story without_any_journal_abort_to_a_version_puts_it_there
}

@test "logs for a time end though no line comes" {
    story logs_for_a_time_end_though_no_line_comes
}

@test "a disk that is full anywhere loses nothing" {
    story a_disk_that_is_full_anywhere_loses_nothing
}

@test "a journal that has lost its end, or is damaged, is told and put back" {
    story a_journal_without_its_end_or_damaged_is_put_back
}

@test "two machines that go on at the same time end on one side" {
    story two_machines_that_go_on_at_the_same_time_end_on_one_side
}

@test "what was noted of a target is damaged and moved away: it is looked up" {
    story what_was_noted_of_a_target_is_damaged_and_moved_away
}

@test "jobs of CI that keep no state take a step each" {
    story jobs_of_ci_that_keep_no_state_take_a_step_each
}

@test "killed here and ended on another machine, where it is killed, too" {
    story killed_here_and_ended_elsewhere
}
