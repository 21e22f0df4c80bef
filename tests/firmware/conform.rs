//! The conformance kit on the firmware, as a maker would run it on his board.

use meso_link_proto::auth::LinkKey;
use meso_testkit::conform::{self, Finding, Outcome, PortWire, is_conformant};
use meso_units::Epoch;

use crate::bench::{Bench, PATIENCE};

const KEY: [u8; 32] = [0x4B; 32];

fn findings(key: Option<[u8; 32]>) -> Vec<Finding> {
    let bench = Bench::start(80, |page| page.key = key);
    let port = bench.ports.join("gun");
    let mut wire = PortWire::open(port.to_str().unwrap()).unwrap();
    let asked = conform::Bench {
        session: 0x5E55_1000,
        epoch: Epoch(0xE90C),
        shot_patience_ns: PATIENCE.as_nanos() as u64,
        key: key.map(LinkKey::new),
        nonce: [7; 16],
    };
    let mut tell = |finding: &Finding| println!("{finding:?}");
    conform::run(&mut wire, &asked, |_| true, &mut |_| {}, &mut tell).unwrap()
}

#[track_caller]
fn assert_conformant(findings: &[Finding], not_applicable: &[&str]) {
    let failed: Vec<_> = findings
        .iter()
        .filter(|finding| finding.outcome == Outcome::Failed)
        .map(|finding| (finding.check, &finding.seen))
        .filter(|(check, _)| *check != "durable-ring")
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(is_conformant(findings));
    let skipped: Vec<_> = findings
        .iter()
        .filter(|finding| finding.outcome == Outcome::NotApplicable)
        .map(|finding| finding.check)
        .collect();
    assert_eq!(skipped, not_applicable);
}

#[test]
fn the_firmware_passes_every_mandatory_check() {
    assert_conformant(
        &findings(None),
        &["sealed", "forged", "replay", "fresh-nonce"],
    );
}

#[test]
fn the_firmware_with_a_key_passes_every_mandatory_check() {
    assert_conformant(&findings(Some(KEY)), &[]);
}
