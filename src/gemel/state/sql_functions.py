"""The functions that queries of users may call: pure ones over values, aggregates and windows. No files, no settings,
no environment, no system tables, no randomness, nothing that builds SQL. And nothing whose answer has a size that the
caller chooses (repeat, lpad, format, a list of n numbers, a sample of n), or whose work grows with the square of a text
(edit distances): neither the memory limit nor the time limit holds within one call."""

__all__ = ["FUNCTIONS", "TABLE_FUNCTIONS"]

TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series"})

# As DuckDB's parser names them.
_OPERATORS = """
    + - * / // % ** ^ & | ~ << >> || ~~ !~~ ~~* !~~* ~~~ ^@ @ && @> <@ <-> -> ->> !
"""
_CHOICE = """
    coalesce ifnull nullif if greatest least error_or_null constant_or_null case
"""
_NUMBERS = """
    abs acos acosh asin asinh atan atan2 atanh cbrt ceil ceiling cos cosh cot degrees even exp factorial fdiv floor
    fmod gamma gcd greatest_common_divisor isfinite isinf isnan lcm least_common_multiple lgamma ln log log10 log2
    mod multiply nextafter pi pow power radians round round_even roundbankers sign signbit sin sinh sqrt subtract
    add divide tan tanh trunc bit_count xor
"""
_TEXT = """
    ascii bin chr concat concat_ws contains ends_with format_bytes hamming
    hex instr jaccard lcase left left_grapheme len length length_grapheme
    like_escape ilike_escape not_like_escape not_ilike_escape lower ltrim md5 position prefix
    regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace regexp_split_to_array
    replace reverse right right_grapheme rtrim sha256 split split_part starts_with str_split
    str_split_regex string_split string_split_regex string_to_array strip_accents strlen strpos substr substring
    substring_grapheme suffix translate trim ucase unicode upper
"""
_TIME = """
    age century current_date current_localtimestamp current_timestamp date_add date_diff date_part date_sub
    date_trunc datediff datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear decade epoch epoch_ms
    epoch_ns epoch_us era get_current_timestamp hour isodow isoyear julian last_day make_date make_time
    make_timestamp make_timestamptz microsecond millennium millisecond minute month monthname now quarter second
    strftime strptime time_bucket timezone timezone_hour timezone_minute to_centuries to_days to_decades to_hours
    to_microseconds to_millennia to_milliseconds to_minutes to_months to_quarters to_seconds to_timestamp to_weeks
    to_years today transaction_timestamp try_strptime week weekday weekofyear year yearweek
"""
_NESTED = """
    array_aggregate array_append array_concat array_contains array_distinct array_extract array_filter
    array_has array_has_all array_has_any array_length array_position array_prepend array_reverse array_slice
    array_sort array_sum array_to_string array_unique array_value cardinality element_at filter
    flatten from_json generate_subscripts json json_array json_array_length json_contains json_exists json_extract
    json_extract_path json_extract_path_text json_extract_string json_keys json_object json_type json_valid
    json_value list_aggregate list_any_value list_append list_avg list_concat list_contains list_count list_distinct
    list_extract list_filter list_first list_has list_has_all list_has_any list_last list_max list_median list_min
    list_position list_prepend list_reverse list_reverse_sort list_slice list_sort list_sum
    list_unique list_value list_zip map map_contains map_entries map_extract map_from_entries
    map_keys map_values row struct_extract struct_insert struct_pack to_json unnest
"""
_AGGREGATES = """
    any_value approx_count_distinct approx_quantile arbitrary arg_max arg_max_null arg_min arg_min_null argmax
    argmin array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count count_if count_star countif covar_pop
    covar_samp entropy favg first fsum geomean geometric_mean group_concat grouping grouping_id histogram kahan_sum
    kurtosis kurtosis_pop last list listagg mad max max_by mean median min min_by mode product quantile
    quantile_cont quantile_disc regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy
    regr_syy sem skewness stddev stddev_pop stddev_samp string_agg sum sum_no_overflow sumkahan
    var_pop var_samp variance
"""
_WINDOWS = """
    cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank rank_dense row_number
    fill
"""

FUNCTIONS = frozenset((_OPERATORS + _CHOICE + _NUMBERS + _TEXT + _TIME + _NESTED + _AGGREGATES + _WINDOWS).split())
