//! The conformance kit: published checks that a maker runs against whatever is on a port.
//!
//! A check speaks as a host over a [`Wire`] and says what it saw. It reads no clock and opens no
//! port: both come with the wire, so that every check also runs against a gun in memory on
//! simulated time, which is how the tests prove that each deliberately broken gun fails the
//! right check. `firmware-bridge/CONFORMANCE.md` says what each check is for.
//!
//! It is **not** for a gun in use: it acknowledges shots that nobody keeps, inhibits and resumes.

mod authentic;
mod commands;
mod epoch;
mod framing;
mod greeting;
mod lease;
mod load;
mod port;
mod probe;
mod raw;
mod settings;
mod shots;
mod time;
mod watermark;
mod wire;

use std::fmt;

use meso_link_proto::auth::LinkKey;
use meso_units::Epoch;
use serde::Serialize;

/// The version of the link that the checks ask for.
pub const LINK_VERSION: u8 = meso_link_proto::version::CURRENT;

pub use port::{PortError, PortWire};
pub use wire::{Wire, WireError};

use probe::{Probe, Stop};

/// What a check is told of the bench.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bench {
    /// The first session number; each check takes a further one. Random, so that no gun knows
    /// it from a run before.
    pub session: u32,
    /// The epoch for a gun that asks for one. Random and not 0.
    pub epoch: Epoch,
    /// How long a check waits for somebody to pull the trigger, in ns.
    pub shot_patience_ns: u64,
    /// The gun's key, where it holds one.
    pub key: Option<LinkKey>,
    /// What the host's random number of each session is made of. Random, so that no session is
    /// one of a run before.
    pub nonce: [u8; 16],
}

/// Whether a gun may do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// A gun that fails speaks another link.
    Mandatory,
    /// Allowed by the link, and worse than it could be.
    Advisory,
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Weight::Mandatory => "mandatory",
            Weight::Advisory => "advisory",
        })
    }
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The gun does what the link asks.
    Passed,
    /// It does not, or it could not be shown, for want of a shot for example.
    Failed,
    /// The gun says that it cannot do this, and the link lets it.
    NotApplicable,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
            Outcome::NotApplicable => "n/a",
        })
    }
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check.
    pub check: &'static str,
    /// Whether a gun may do without.
    pub weight: Weight,
    /// Where `SPEC.md` asks for it.
    pub section: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// What was seen, for a person.
    pub seen: String,
}

/// What a check says when it passes.
type Seen = Result<String, Stop>;

/// A published check.
pub struct Check {
    /// Its name, for `--only`.
    pub name: &'static str,
    /// Whether a gun may do without.
    pub weight: Weight,
    /// Where `SPEC.md` asks for it.
    pub section: &'static str,
    run: fn(&mut Probe<'_>) -> Seen,
}

const fn must(name: &'static str, section: &'static str, run: fn(&mut Probe<'_>) -> Seen) -> Check {
    let weight = Weight::Mandatory;
    Check {
        name,
        weight,
        section,
        run,
    }
}

const fn should(
    name: &'static str,
    section: &'static str,
    run: fn(&mut Probe<'_>) -> Seen,
) -> Check {
    let weight = Weight::Advisory;
    Check {
        name,
        weight,
        section,
        run,
    }
}

/// All checks, in the order in which they run: what later ones rely on comes first.
pub const CHECKS: &[Check] = &[
    must("greeting", "6.2-6.3", greeting::is_answered),
    must("negotiation", "4", greeting::names_version_and_schema),
    must(
        "no-common-version",
        "4, 6.3",
        greeting::refuses_strange_versions,
    ),
    must("other-session", "6.5", greeting::ignores_other_sessions),
    must("checksum", "2", framing::frames_are_whole),
    must("frame-size", "2", framing::runs_are_short),
    must("fields", "3, 5", framing::fields_are_in_range),
    must("bad-input", "2, 3", framing::garbage_is_survived),
    must("status", "6.6", framing::status_comes_every_second),
    must("stream", "7.3", shots::stream_is_complete_and_asked_for),
    must("resend", "7.3", shots::unacknowledged_shots_come_again),
    must("watermark", "7.6", watermark::moves_forward_only),
    must(
        "no-unasked-resend",
        "7.3, 7.6",
        watermark::nothing_comes_again_unasked,
    ),
    must("epoch", "7.1", epoch::counter_goes_on),
    must("assign-epoch", "9", epoch::assignment_is_guarded),
    must("change-epoch", "7.1, 9", epoch::new_one_is_taken),
    must("time", "8", time::stamps_make_sense),
    must("inhibit", "9", commands::inhibit_is_idempotent),
    must("resume", "9", commands::resume_names_its_inhibition),
    must("set-limits", "9", settings::limits_are_enforced),
    must("read-settings", "9", settings::settings_are_true),
    must("identify", "9", settings::gun_shows_itself),
    must("overload", "7.2-7.5", load::nothing_is_lost_silently),
    must("lease", "6.1, 6.4", lease::silence_ends_it),
    must("sealed", "10", authentic::every_frame_is_sealed),
    must("forged", "10", authentic::forged_frames_are_not_obeyed),
    must("replay", "10", authentic::old_frames_are_not_obeyed),
    must("fresh-nonce", "10", authentic::each_session_is_new),
    should("answer-time", "8", time::answers_are_quick),
    should("senses", "5", greeting::senses_depth_and_volume),
    should("durable-ring", "5", greeting::ring_outlives_power_cut),
];

/// Runs the checks that `wanted` lets through, one after the other, and hands each finding to
/// `tell` as it is made; `ask` gets what a person at the gun is to do.
///
/// # Errors
///
/// [`WireError`] when the line breaks; what was found until then has been told.
pub fn run(
    wire: &mut dyn Wire,
    bench: &Bench,
    wanted: impl Fn(&Check) -> bool,
    ask: &mut dyn FnMut(&str),
    tell: &mut dyn FnMut(&Finding),
) -> Result<Vec<Finding>, WireError> {
    let mut probe = Probe::new(wire, bench, ask);
    let mut findings = Vec::new();
    for check in CHECKS.iter().filter(|check| wanted(check)) {
        let (outcome, seen) = match (check.run)(&mut probe) {
            Ok(seen) => (Outcome::Passed, seen),
            Err(Stop::Failed(seen)) => (Outcome::Failed, seen),
            Err(Stop::NotApplicable(seen)) => (Outcome::NotApplicable, seen),
            Err(Stop::Wire(error)) => return Err(error),
        };
        let finding = Finding {
            check: check.name,
            weight: check.weight,
            section: check.section,
            outcome,
            seen,
        };
        tell(&finding);
        findings.push(finding);
    }
    Ok(findings)
}

/// Whether no mandatory check failed.
pub fn is_conformant(findings: &[Finding]) -> bool {
    !findings
        .iter()
        .any(|f| f.weight == Weight::Mandatory && f.outcome == Outcome::Failed)
}
