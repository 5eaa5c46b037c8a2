"""What can go wrong with a serialised configuration, and where it is shown that it does not.

- intervals are half-open, UTC: `test_configuration_belief`, `test_a_nonconformance_ends_with_its_item_…`
- out and in at one moment: `test_any_order_of_entry_…`, `test_parts_in_a_store_…`
- the technician's clock is not the event's: `test_when_it_happened_is_told_apart_from_when_it_was_told`
- a late entry between two known ones: `test_a_late_entry_between_two_stays_…`, `test_a_late_inspection_…`
- a correction reaches counters and what was worked out from them: `test_hours_of_use_follow_…`, `test_dependants`
- one serial number of two makers, and one stamped anew: `test_identity`
- parts in a store are somewhere: `test_parts_in_a_store_…`, `test_what_is_taken_out_without_a_place_…`
- a part of a lot: `test_a_lot_fills_a_slot_of_several_…`
- swapped twice between two hand-ins, offline ids, a list of conflicts: `test_what_was_swapped_twice_…`,
  `test_many_operations_are_done_each_by_itself_…`
- order of revisions, one-way interchangeability, ranges of the end item: `test_parts_book`, `test_rules_kept`
- plans are not what is: `test_a_plan_is_never_part_of_what_is_so`
- nothing within itself: `test_what_contradicts_…`, `test_a_correction_does_not_make_a_circle_…`
- counters belong to parts, not to machines: `test_use_is_counted_once_…`
- unknown is not empty: `test_unknown_is_not_empty`
"""
