//! Names of the metrics, in one place, so that dashboards and alert rules can be checked.

/// Shots stored since the start, by clinic.
pub const SHOTS_STORED_TOTAL: &str = "mesofleet_shots_stored_total";
/// Blocks committed since the start.
pub const BLOCKS_COMMITTED_TOTAL: &str = "mesofleet_blocks_committed_total";
/// Blocks that came again.
pub const BLOCKS_DUPLICATE_TOTAL: &str = "mesofleet_blocks_duplicate_total";
/// Blocks since the start that are not settled and have to come again: a limit was reached, they came
/// damaged, or were not understood.
pub const BLOCKS_DEFERRED_TOTAL: &str = "mesofleet_blocks_deferred_total";
/// Messages since the start that a newer driver may have written rightly.
pub const NOT_UNDERSTOOD_TOTAL: &str = "mesofleet_not_understood_total";
/// Verdicts on sessions that shots changed which came late, since the start.
pub const LATE_FINDINGS_TOTAL: &str = "mesofleet_late_findings_total";
/// Ids of patients that turned out to be another one's, too, since the start.
pub const PATIENTS_MERGED_TOTAL: &str = "mesofleet_patients_merged_total";
/// Records and payloads in quarantine since the start.
pub const QUARANTINED_TOTAL: &str = "mesofleet_quarantined_total";
/// Shots and blocks since the start that say something else than the one held in their place.
pub const CONFLICTS_TOTAL: &str = "mesofleet_conflicts_total";
/// Shots since the start of which edge and server judge the same facts differently.
pub const CONTRADICTIONS_TOTAL: &str = "mesofleet_contradictions_total";
/// Shots since the start that were judged while older ones of their gun were awaited.
pub const PROVISIONAL_SHOTS_TOTAL: &str = "mesofleet_provisional_shots_total";
/// Guns and epochs of which something is missing or uncertain, and asked for.
pub const INQUIRIES_OPEN: &str = "mesofleet_inquiries_open";
/// Commits of the ingest, in seconds.
pub const COMMIT_SECONDS: &str = "mesofleet_commit_seconds";
/// 1 while nothing can be made durable, else 0.
pub const INGEST_FAILING: &str = "mesofleet_ingest_failing";
/// Writes to an InfluxDB that are begun and not answered.
pub const STORE_WRITES_UNDER_WAY: &str = "mesofleet_store_writes_under_way";
/// Leaves of the ledger.
pub const LEDGER_SIZE: &str = "mesofleet_ledger_size";
/// Open alerts, by severity.
pub const ALERTS_OPEN: &str = "mesofleet_alerts_open";
/// Letters about alerts that arrived since the start, by channel.
pub const LETTERS_POSTED_TOTAL: &str = "mesofleet_letters_posted_total";
/// Tries since the start to post a letter that failed, by channel.
pub const LETTERS_FAILED_TOTAL: &str = "mesofleet_letters_failed_total";
/// Guns that are attached.
pub const GUNS_ATTACHED: &str = "mesofleet_guns_attached";
/// Readers of the event stream.
pub const EVENT_STREAMS: &str = "mesofleet_event_streams";
