"""The twenty faults of a factory floor (factory floor reference, section 6), and the tests that prove each."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """A fault by its number, its name as docs/faults.md has it, and the tests: 'file.py::test'."""

    number: int
    name: str
    tests: tuple[str, ...]


FAULTS = (
    Fault(
        1,
        "Power lost between the flash and the ledger",
        (
            "kills/test_kills.py::test_the_line_killed_at_every_step",
            "kills/test_kills.py::test_several_slots_killed_anywhere_again_and_again",
            "kills/test_power_cut.py::test_a_file_is_the_old_one_or_the_new_one",
            "ledger/test_processes.py::test_kills_at_any_moment_lose_nothing_and_double_nothing",
            "ledger/test_admission.py::test_an_interrupted_attempt_is_read_again_and_then_closed",
            "line/test_killed.py::test_a_station_killed_in_the_middle_of_a_flash",
        ),
    ),
    Fault(
        2,
        "Power lost after the commit, before label or upload",
        (
            "line/test_labelling.py::test_killed_between_print_and_scan",
            "ledger/test_labels.py::test_a_label_of_a_crash_is_of_unknown_fate_until_the_unit_comes_back",
            "kills/test_kills.py::test_the_offices_commands_killed_at_every_step",
            "lots/test_manifest.py::test_an_export_that_was_cut_before_its_manifest_gets_it_later",
        ),
    ),
    Fault(
        3,
        "Two stations, one address",
        (
            "ledger/test_processes.py::test_of_stations_with_the_same_unit_one_wins_and_the_others_are_told",
            "ledger/test_merging.py::test_conflicts_show_both_sides_and_nothing_is_written",
            "ledger/test_merging.py::test_quarantine_keeps_both_and_lets_the_rest_in",
            "ledger/test_pool_processes.py::test_stations_at_once_never_give_one_value_twice",
            "ledger/test_merging_desks.py::test_one_cell_at_two_units",
            "ledger/test_merging_desks.py::test_overlapping_ranges_are_told",
            "ledger/test_offline.py::test_two_stations_offline_with_one_unit",
            "line/test_killed.py::test_two_stations_with_ledgers_of_their_own_never_both_pass_one_unit",
        ),
    ),
    Fault(
        4,
        "A disk that is full or read-only",
        (
            "faults/test_disk.py::test_the_ledger_and_its_log",
            "faults/test_disk.py::test_files_that_are_written",
            "faults/test_disk.py::test_a_read_only_ledger",
            "faults/test_disk.py::test_a_folder_for_temporary_files_that_is_full",
            "ledger/test_faults.py::test_a_full_disk_keeps_what_was_committed_and_goes_on_later",
            "ledger/test_faults.py::test_no_room_for_a_new_ledger_leaves_nothing",
            "kills/test_full_disk.py::test_a_file",
            "kills/test_full_disk.py::test_an_export_that_failed_is_done_again",
            "line/test_slots.py::test_a_ledger_that_cannot_be_written_stops_before_the_flash_and_is_told",
            "line/test_killed.py::test_a_full_disk_fails_the_unit_and_keeps_what_was_there",
        ),
    ),
    Fault(
        5,
        "The cable is pulled in the middle of a flash",
        (
            "flashing/test_cut.py::test_no_cut_leaves_a_mix_and_every_cut_can_be_undone",
            "flashing/test_bench.py::test_the_serial_cable_is_cut_and_the_next_contact_puts_the_old_content_back",
            "line/test_slots.py::test_a_unit_that_was_pulled_while_flashing_is_put_back_at_its_next_contact_and_then_passes",
            "line/test_killed.py::test_the_next_unit_in_the_slot_of_a_killed_station_inherits_nothing",
            "units/test_serial_poor.py::test_a_cut_at_every_block_is_an_error_and_never_a_wrong_file",
        ),
    ),
    Fault(
        6,
        "The unit is swapped between reading and flashing",
        (
            "flashing/test_bench.py::test_a_unit_swapped_after_the_preflight_is_left_alone",
            "flashing/test_bench.py::test_a_unit_swapped_during_the_reboot_is_left_alone",
            "flashing/test_flash.py::test_swapped_before_nothing_is_touched",
            "flashing/test_prove.py::test_swapped_during_the_reboot",
            "cli/test_flash.py::test_swapped_in_the_middle_of_it_nobody_passes",
        ),
    ),
    Fault(
        7,
        "The wrong unit again, or one that is done",
        (
            "ledger/test_admission.py::test_a_passed_unit_is_sent_to_rework",
            "ledger/test_admission.py::test_another_board_serial_is_a_clone_whatever_became_of_the_first",
            "ledger/test_flashes.py::test_a_unit_that_passed_is_in_rework_from_the_first_byte_until_it_passes_again",
            "ledger/test_rework.py::test_a_reworked_unit_is_made_again_and_listed_anew",
            "line/test_slots.py::test_an_empty_unit_that_shows_what_the_passed_one_showed_is_never_called_passed",
        ),
    ),
    Fault(
        8,
        "Two adapters that look alike change their numbers",
        (
            "faults/test_places.py::test_a_port_by_its_place_leads_to_the_unit_there_whatever_its_number",
            "units/test_bench_check.py::test_the_number_of_a_tty_is_no_place",
            "units/test_bench_check.py::test_one_device_under_two_names",
            "units/test_console.py::test_a_port_that_is_in_use_names_who_has_it",
        ),
    ),
    Fault(
        9,
        "The clock is wrong",
        (
            "faults/test_clocks.py::test_order_names_and_states_do_not_go_by_the_clock",
            "ledger/test_journal.py::test_a_wrong_clock_is_flagged_and_never_fails",
            "ledger/test_writing.py::test_time_that_jumps_changes_no_order",
            "line/test_transcript.py::test_seconds_never_go_back",
            "lots/report/test_numbers.py::test_stations_whose_clocks_contradict_each_other_are_named",
        ),
    ),
    Fault(
        10,
        "The host key has changed",
        (
            "line/test_hostkeys.py::test_a_known_mac_with_a_new_key_is_an_alarm_and_another_mac_is_none",
            "line/test_hostkeys.py::test_a_unit_with_a_new_key_is_stopped_before_the_flash",
            "line/test_hostkeys.py::test_keys_per_boot_may_change",
            "units/test_ssh.py::test_an_old_server_gets_a_message_that_says_so",
            "units/test_ssh.py::test_the_host_key_is_judged_before_the_password_is_sent",
        ),
    ),
    Fault(
        11,
        "The portal refuses half of the rows",
        (
            "lots/test_answers.py::test_refused_rows_go_out_again",
            "lots/test_answers.py::test_a_plain_list_of_ids",
            "ledger/test_verdicts.py::test_an_answer_settles_the_rows",
            "ledger/test_verdicts.py::test_rows_that_do_not_fit_stop_the_whole_answer",
            "clouds/remoteit/test_account.py::test_200_with_errors_is_an_error",
        ),
    ),
    Fault(
        12,
        "An upload or a request gets no answer",
        (
            "ledger/test_verdicts.py::test_what_is_known_better_is_not_forgotten",
            "clouds/test_http.py::test_a_reply_that_is_not_whole_is_lost",
            "clouds/xyte/test_entry.py::test_what_is_neither_yes_nor_no_is_unknown_and_asked_once",
            "clouds/xyte/test_registrar.py::test_a_lost_reply_is_resolved_with_the_partner_key",
            "line/test_xyte.py::test_a_lost_reply_is_never_looped_on",
        ),
    ),
    Fault(
        13,
        "Uploaded twice, deleted at the portal, reset after it was published",
        (
            "ledger/test_verdicts.py::test_the_same_answer_twice_is_told",
            "ledger/test_uploads.py::test_the_database_itself_refuses_a_second_live_row",
            "lots/test_export.py::test_a_unit_goes_out_once",
            "ledger/test_rework.py::test_a_reworked_unit_is_made_again_and_listed_anew",
            "lots/test_confirm.py::test_a_device_of_an_earlier_registration_is_not_the_new_upload",
            "lots/test_confirm.py::test_twice_in_the_cloud",
        ),
    ),
    Fault(
        14,
        "The file was saved by a spreadsheet program",
        (
            "lots/test_manifest.py::test_a_file_saved_by_a_spreadsheet_program_is_named_with_what_to_do",
            "lots/test_rehearse.py::test_a_file_that_a_spreadsheet_has_saved",
            "lots/test_against_ledger.py::test_every_difference_is_named",
            "lots/test_against_ledger.py::test_repair_is_what_was_exported_byte_for_byte",
            "sheets/test_compare.py::test_b_is_a_after_a_spreadsheet",
        ),
    ),
    Fault(
        15,
        "The ledger is damaged, old, or there twice",
        (
            "faults/test_damaged.py::test_a_flipped_bit_is_found_or_means_nothing",
            "faults/test_damaged.py::test_a_log_that_was_cut_is_an_earlier_state_and_the_checkpoint_says_so",
            "faults/test_damaged.py::test_a_copy_on_a_second_computer_goes_its_own_way_and_is_found",
            "ledger/test_checkpoints.py::test_an_older_copy_in_its_place_is_seen",
            "ledger/test_checkpoints.py::test_a_ledger_written_anew_is_seen",
            "ledger/test_constraints.py::test_what_was_lost_is_named",
            "ledger/test_merging.py::test_a_copy_that_was_worked_on_is_never_merged",
            "line/test_checkpointing.py::test_written_on_the_way_and_at_the_end_and_compared_at_the_next_start",
        ),
    ),
    Fault(
        16,
        "A key is missing or another one; a secret in a log",
        (
            "lots/test_export.py::test_without_the_secret_nothing_goes_out",
            "lots/test_export.py::test_another_version_of_the_secret_is_refused",
            "lots/test_export.py::test_another_secret_makes_other_keys_and_is_refused",
            "line/test_whole_lines.py::test_a_bench_of_six_with_a_clone_pair_and_a_zero_unit",
            "line/test_whole_lines.py::test_the_search_for_leaks_finds_every_hiding_place",
            "ledger/test_admission.py::test_the_key_itself_is_nowhere_in_the_tables",
        ),
    ),
    Fault(
        17,
        "Hostile texts from a unit",
        (
            "units/test_facts.py::test_hostile_units_on_the_bench",
            "units/test_facts.py::test_a_hostile_mac_is_refused_with_its_interface",
            "units/test_facts.py::test_a_hostile_serial_or_boot_id_is_refused",
            "units/test_serial_faults.py::test_ten_megabytes_of_noise_and_an_endless_line",
            "labels/test_zpl.py::test_a_hostile_value_is_printed_and_does_nothing",
            "ledger/test_recall.py::test_an_operator_who_is_a_formula_stays_text",
            "faults/test_told.py::test_whatever_was_said_is_one_line_without_terminal_codes",
        ),
    ),
    Fault(
        18,
        "A pool runs out; a supplier's list that is wrong",
        (
            "ledger/test_pools.py::test_exhausted_names_who_holds_the_rest",
            "ledger/test_pools.py::test_imports_that_overlap_are_refused_whole",
            "ledger/test_pools.py::test_burned_values_go_to_nobody",
            "ledger/test_pool_processes.py::test_a_killed_station_lost_nothing_and_doubles_nothing",
            "ledger/test_pools.py::test_two_stations_empty_a_pool_together_and_are_told",
            "lots/test_pool_import.py::test_every_line_that_is_wrong_is_named",
            "values/test_pools.py::test_a_run_crosses_a_block_only_where_its_first_half_changes",
            "line/test_pools.py::test_a_station_killed_before_and_after_the_write_gives_the_same_again",
        ),
    ),
    Fault(
        19,
        "The scanner",
        (
            "labels/test_scan.py::test_a_double_scan_and_two_scans_without_enter",
            "labels/test_scan.py::test_a_whole_code_needs_no_enter",
            "labels/test_scan.py::test_another_layout_is_recognised_as_one",
            "line/test_labelling.py::test_scanner_faults_are_remarks_and_no_mismatch",
            "line/test_labelling.py::test_the_last_units_label_a_void_one_and_a_strangers_do_not_pass",
            "line/test_labelling.py::test_with_two_printers_the_scan_says_whose_it_is",
        ),
    ),
    Fault(
        20,
        "Two operators export one lot; the process is killed in between",
        (
            "faults/test_two_exports.py::test_one_of_two_operators_exports_and_the_other_is_told",
            "kills/test_kills.py::test_the_offices_commands_killed_at_every_step",
            "kills/test_power_cut.py::test_what_the_ledger_calls_exported_is_there",
            "lots/test_export.py::test_a_large_lot_is_split_and_every_part_recorded",
            "lots/test_export.py::test_an_export_that_was_cut_short_is_done_again",
        ),
    ),
)
