//! Bodies of the HTTP interface and of the event stream.
//!
//! These are views for people and dashboards: milliseconds and plain numbers. What proves anything
//! is in the report bundle.

mod rooms;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use rooms::{AwaitedGapView, RetireRoomBody, RetiredRoomView, RetirementView};

/// What is known of the whole at a glance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OverviewView {
    /// Whether this is a demonstration.
    pub demo: bool,
    /// The server's time, milliseconds since 1970.
    pub now_ms: i64,
    /// Open hard alerts + sessions ended but not sealed + guns that are blocked.
    pub needs_you_count: u32,
    /// Open alerts of a hard limit.
    pub open_hard_alert_count: u32,
    /// Open alerts of a soft limit.
    pub open_soft_alert_count: u32,
    /// Sessions that run now.
    pub open_session_count: u32,
    /// Sessions that ended and wait for their last shots.
    pub unsealed_session_count: u32,
    /// Guns attached.
    pub attached_gun_count: u32,
    /// Guns known.
    pub gun_count: u32,
    /// Shots stored today (UTC).
    pub shots_today_count: u64,
    /// Volume of patient shots today (UTC), in nl.
    pub volume_today_nl: u64,
    /// Shots in holes that are declared.
    pub declared_missing_count: u64,
    /// Records in quarantine.
    pub quarantined_count: u64,
    /// Patient shots that belong to no session, and that none has claimed: not under protocol.
    pub not_under_protocol_count: u64,
    /// Size of the ledger in leaves.
    pub ledger_size: u64,
    /// Release of the protocol library in force.
    pub library_version: Option<u32>,
    /// Whether one person's signature puts a release in force.
    pub single_signer: bool,
    /// Rooms that judge by an older release, at most [`OverviewView::LAGGING_ROOMS_MAX`].
    pub lagging_rooms: Vec<LaggingRoomView>,
    /// Channels of notifications that fail; people are not told of alerts by them.
    pub failing_channels: Vec<FailingChannelView>,
    /// Why nothing can be stored at the moment, where that is so; drivers keep what they have.
    pub not_storing: Option<String>,
}

impl OverviewView {
    /// The most lagging rooms that are named; of further ones only the alerts tell.
    pub const LAGGING_ROOMS_MAX: usize = 64;
}

/// A room that judges by an older release of the protocol library than the one in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LaggingRoomView {
    /// Clinic.
    pub clinic: String,
    /// Room, by its driver.
    pub driver: String,
    /// The release that it judges by; absent for none at all.
    pub library_version: Option<u32>,
    /// Since when, milliseconds since 1970.
    pub since_ms: i64,
}

/// A channel of notifications that fails.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FailingChannelView {
    /// Its name in the configuration.
    pub channel: String,
    /// Since when, milliseconds since 1970.
    pub since_ms: i64,
    /// Tries in a row that failed.
    pub try_count: u64,
    /// What the last one said.
    pub error: String,
}

/// The limits of one rule, in the unit of the field that holds them; an absent one does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BoundsView {
    /// Below it a hard breach.
    pub hard_min: Option<i64>,
    /// Below it a soft breach.
    pub soft_min: Option<i64>,
    /// Above it a soft breach.
    pub soft_max: Option<i64>,
    /// Above it a hard breach.
    pub hard_max: Option<i64>,
}

/// The limits in force for a session, so that a chart can draw them as a band.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LimitsView {
    /// Needle depth in µm.
    pub needle_depth_um: BoundsView,
    /// Volume of one trigger in nl.
    pub volume_nl: BoundsView,
    /// Shot rate in thousandths of a hertz.
    pub rate_mhz: BoundsView,
    /// Volume of the whole session in nl.
    pub session_volume_nl: BoundsView,
}

/// A gun.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GunView {
    /// Serial number.
    pub serial: String,
    /// Clinic.
    pub clinic: String,
    /// Room, by its driver.
    pub driver: String,
    /// Model, as the gun says.
    pub model: String,
    /// Firmware, as the gun says.
    pub firmware: String,
    /// `treating`, `idle`, `waiting for trigger`, `inhibited`, `interlock failed`, `offline`.
    pub state: String,
    /// Whether the page may press its trigger (demonstration only).
    pub trigger_on_page: bool,
    /// Battery charge in percent.
    pub battery_percent: Option<u8>,
    /// Session that it works in.
    pub session: Option<String>,
    /// Protocol of that session.
    pub protocol: Option<String>,
    /// Zone of the segment.
    pub zone: Option<String>,
    /// Limits in force; absent where no protocol is known.
    pub limits: Option<LimitsView>,
    /// Shots stored since it is known.
    pub shot_count: u64,
    /// Shots of the running session.
    pub session_shot_count: u64,
    /// Volume of the running session in nl.
    pub session_volume_nl: u64,
    /// The newest shot.
    pub last_shot: Option<ShotView>,
    /// Shots per minute over the last ten seconds.
    pub rate_spm: u32,
    /// Shots in the driver's journal that are not stored yet.
    pub backlog_shots: u64,
    /// Frames with a wrong check sum or framing.
    pub bad_frames: u64,
    /// Frames with an impossible value.
    pub quarantined_frames: u64,
    /// Shots in holes that are declared.
    pub declared_missing_count: u64,
    /// Open alerts.
    pub open_alert_count: u32,
    /// When the driver last spoke of it, milliseconds since 1970.
    pub seen_at_ms: i64,
}

/// A shot on the board.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShotView {
    /// Gun.
    pub gun: String,
    /// Epoch, 16 hexadecimal digits.
    pub epoch: String,
    /// Number within the epoch.
    pub counter: u32,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// Needle depth in µm: what happened, else what was set.
    pub needle_depth_um: Option<u32>,
    /// Needle depth that was set, in µm.
    pub needle_depth_set_um: Option<u32>,
    /// Volume in nl: what happened, else what was set.
    pub volume_nl: Option<u64>,
    /// Volume that was set, in nl.
    pub volume_set_nl: Option<u64>,
    /// Time since the last trigger in µs.
    pub interval_us: Option<u64>,
    /// Rate in thousandths of a hertz, from the interval.
    pub rate_mhz: Option<u64>,
    /// Names of the flags that are set.
    pub flags: Vec<String>,
    /// What it was fired for.
    pub purpose: String,
    /// Session, if any.
    pub session: Option<String>,
    /// Worst severity: `soft`, `hard`, `not checkable`; absent where every rule passed.
    pub severity: Option<String>,
    /// Rules that did not simply pass.
    pub findings: Vec<crate::FindingBody>,
}

/// A session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// The session, 32 hexadecimal digits.
    pub id: String,
    /// Clinic.
    pub clinic: String,
    /// Room, by its driver.
    pub driver: String,
    /// Guns that worked in it.
    pub guns: Vec<String>,
    /// Protocol.
    pub protocol: String,
    /// Zones, in order.
    pub zones: Vec<String>,
    /// Operator.
    pub operator: String,
    /// Release of the library in force at its start.
    pub library_version: u32,
    /// `open`, `ended`, `sealed`.
    pub state: String,
    /// How it ended.
    pub outcome: Option<String>,
    /// Start, milliseconds since 1970.
    pub opened_at_ms: i64,
    /// End, milliseconds since 1970.
    pub ended_at_ms: Option<i64>,
    /// All shots.
    pub shot_count: u64,
    /// Patient shots.
    pub patient_shot_count: u64,
    /// Volume of the patient shots in nl.
    pub volume_nl: u64,
    /// Failed injections.
    pub failed_injection_count: u64,
    /// Shots past a soft limit.
    pub soft_count: u64,
    /// Shots past a hard limit.
    pub hard_count: u64,
    /// Shots with a rule that could not be judged.
    pub not_checkable_count: u64,
    /// Limits of its protocol; absent where the library that it ran under is not at hand.
    pub limits: Option<LimitsView>,
    /// Verdicts that changed after the fact, oldest first, the newest hundred; only where one
    /// session is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub late_findings: Vec<LateFindingView>,
    /// Whether it is a demonstration.
    pub demo: bool,
}

/// What is said of one rule over a whole session changed, because shots came late or were claimed,
/// or an event was corrected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LateFindingView {
    /// When it became known, milliseconds since 1970.
    pub at_ms: i64,
    /// What was said before; absent where the rule had passed.
    pub before: Option<crate::FindingBody>,
    /// What is said now; absent where the rule passes.
    pub after: Option<crate::FindingBody>,
}

/// An alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertView {
    /// The alert.
    pub id: String,
    /// Rule, or what is wrong with the fleet.
    pub rule: String,
    /// Whether it is about the fleet itself, and not about shots.
    pub is_fleet: bool,
    /// `soft` or `hard`.
    pub severity: String,
    /// `open`, `acknowledged`, `latched` (over, but hard and not seen), `resolved`, `merged`.
    pub state: String,
    /// Clinic.
    pub clinic: String,
    /// Gun; empty where it is about none.
    pub gun: String,
    /// Room, by its driver, where it is about one.
    pub driver: Option<String>,
    /// Session, if any.
    pub session: Option<String>,
    /// Counts breach episodes of the same key, from 1; for the fleet the second in which it opened.
    pub episode: u32,
    /// Shots past the limit in this episode; for the fleet, how often it happened.
    pub shot_count: u64,
    /// The first such shot, in words: `shot 12 of gun GUN-0001 (epoch …)`; empty for the fleet.
    pub first_shot: String,
    /// When the first was, milliseconds since 1970.
    pub first_at_ms: i64,
    /// When the last was, milliseconds since 1970.
    pub last_at_ms: i64,
    /// The first value by time, in the unit of the rule.
    pub first_value: i64,
    /// The last value by time, in the same unit.
    pub last_value: i64,
    /// The worst value, in the same unit.
    pub worst_value: i64,
    /// The limit, in the same unit.
    pub limit: i64,
    /// The unit, such as `µm`, `nl`, `µs`, `shots` or `s`.
    pub unit: String,
    /// The release of the protocol library whose limit the worst value passed, if any.
    pub library_version: Option<u32>,
    /// One line for people: what, the limit, what to do.
    pub text: String,
    /// When it opened, milliseconds since 1970.
    pub opened_at_ms: i64,
    /// When it last changed, milliseconds since 1970.
    pub changed_at_ms: i64,
    /// Who acknowledged it.
    pub acknowledged_by: Option<String>,
    /// The alert that goes on for it, since late shots showed that both are one.
    pub merged_into: Option<String>,
    /// Until when nobody wants to hear of it, milliseconds since 1970.
    pub silenced_until_ms: Option<i64>,
    /// When it had waited for a person for too long, milliseconds since 1970.
    pub escalated_at_ms: Option<i64>,
}

/// One day of the trend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DayView {
    /// The clinic's day, `2026-11-22`.
    pub day: String,
    /// Sessions that opened on it.
    pub session_count: u64,
    /// Of these, the sealed ones without a hard breach; one that still runs is in neither camp.
    pub clean_session_count: u64,
    /// Patient shots.
    pub shot_count: u64,
    /// Volume in nl.
    pub volume_nl: u64,
    /// Shots past a hard limit.
    pub hard_count: u64,
    /// Shots past a soft limit.
    pub soft_count: u64,
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items, newest first where they have a time.
    pub items: Vec<T>,
    /// Hand this back as `after` for the next page; absent on the last.
    pub next: Option<String>,
}

/// What the event stream carries; the name of the server-sent event is the variant's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LiveEvent {
    /// Shots that were stored, at most [`LiveEvent::SHOT_COUNT_MAX`] in one event; where many of a
    /// gun are stored at once, only the newest.
    Shots {
        /// The shots.
        shots: Vec<ShotView>,
    },
    /// A gun changed.
    Gun {
        /// The gun.
        gun: Box<GunView>,
    },
    /// A session changed.
    Session {
        /// The session.
        session: Box<SessionView>,
    },
    /// An alert changed.
    Alert {
        /// The alert.
        alert: Box<AlertView>,
    },
    /// The numbers at a glance changed.
    Overview {
        /// The numbers.
        overview: Box<OverviewView>,
    },
    /// Events were missed: read everything again.
    Resync,
}

impl LiveEvent {
    /// The most shots of one event; a larger commit makes several events.
    pub const SHOT_COUNT_MAX: usize = 256;

    /// The name of the server-sent event.
    pub const fn name(&self) -> &'static str {
        match self {
            LiveEvent::Shots { .. } => "shots",
            LiveEvent::Gun { .. } => "gun",
            LiveEvent::Session { .. } => "session",
            LiveEvent::Alert { .. } => "alert",
            LiveEvent::Overview { .. } => "overview",
            LiveEvent::Resync => "resync",
        }
    }
}

/// Who acknowledges an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeBody {
    /// Staff number or alias.
    pub by: String,
}

/// Who says that an alert is over, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveBody {
    /// Staff number or alias.
    pub by: String,
    /// Why, 1 to 200 characters; it must name no patient.
    pub reason: String,
}

/// Who wants to hear nothing of an alert for a while, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SilenceBody {
    /// Staff number or alias.
    pub by: String,
    /// For how many minutes from now, 1 to 1440.
    pub minutes: u32,
    /// Why, 1 to 200 characters; it must name no patient.
    pub reason: String,
}

/// Which records a report covers; an absent field does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportRequest {
    /// Shots from this moment on, milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Shots before this moment, milliseconds since 1970.
    pub to_ms: Option<i64>,
    /// Only this gun.
    pub gun: Option<String>,
    /// Only this session.
    pub session: Option<String>,
}

/// An error, for people and programs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ErrorView {
    /// A stable code, such as `not_found`.
    pub code: String,
    /// What is wrong and what to do next.
    pub message: String,
}

/// Whether the service is ready, and what it waits for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReadyView {
    /// Whether it takes work.
    pub ready: bool,
    /// What it waits for.
    pub waiting_for: Vec<String>,
    /// What fails and holds up nothing else, such as a channel of notifications.
    pub troubles: Vec<String>,
}
