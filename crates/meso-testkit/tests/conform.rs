//! The conformance kit against guns in memory, on simulated time.

use meso_link_proto::auth::{LinkKey, NonceSeed};
use meso_link_proto::{
    Capabilities, GunLimits, GunLink, GunSettings, GunText, LeaseLoss, Measured, SetPoints,
};
use meso_testkit::conform::{
    Bench, CHECKS, Finding, Outcome, Weight, Wire, WireError, is_conformant, run,
};
use meso_testkit::gun::fault::{Fault, FaultyLine};
use meso_units::{BootId, Epoch, GunSerial, GunTick, Micrometres};

const MS: u64 = 1_000_000;
/// What a pseudo-terminal holds for a host that does not read; then the gun waits.
const UNREAD_BYTES_MAX: usize = 16_384;
/// What 115 200 baud carry in a millisecond, rounded up.
const BYTES_PER_MS: usize = 12;

/// A gun at the other end of a line of 115 200 baud, one millisecond a step.
struct GunInMemory {
    now_ns: u64,
    link: GunLink,
    faulty: Option<FaultyLine>,
    fire_every_ns: Option<u64>,
    fire_at_ns: u64,
    budget: usize,
    unread: Vec<u8>,
    unread_max: usize,
    key: Option<LinkKey>,
}

/// What every shot is.
fn measured() -> Measured {
    Measured {
        depth_set: Some(Micrometres::new(4_000).unwrap()),
        ..Measured::default()
    }
}

fn settings(capabilities: Capabilities, lease_loss: LeaseLoss) -> GunSettings {
    GunSettings {
        serial: GunSerial::parse("GUN-0042").unwrap(),
        model: GunText::new("model", "MEMORY").unwrap(),
        firmware: GunText::new("firmware", "1.0").unwrap(),
        firmware_hash: [0; 8],
        boot: BootId(7),
        boot_count: 1,
        capabilities,
        limits: GunLimits::default(),
        lease_loss,
        ring_shots_max: 4_096,
        key: None,
        nonce_seed: NonceSeed::new([3; 32]),
    }
}

const KEY: LinkKey = LinkKey::new([0x42; 32]);

/// The same gun with a key.
fn keyed(settings: GunSettings) -> GunSettings {
    GunSettings {
        key: Some(KEY),
        ..settings
    }
}

impl GunInMemory {
    fn new(settings: GunSettings, fault: Option<Fault>) -> GunInMemory {
        let mut link = GunLink::new(settings.clone());
        link.dial(SetPoints {
            depth: measured().depth_set,
            ..SetPoints::default()
        });
        GunInMemory {
            now_ns: 5_000 * MS,
            key: settings.key.clone(),
            link,
            faulty: fault.map(|fault| FaultyLine::new(fault, settings)),
            fire_every_ns: Some(110 * MS),
            fire_at_ns: 0,
            budget: 0,
            unread: Vec::new(),
            unread_max: UNREAD_BYTES_MAX,
        }
    }

    fn tick(&self) -> GunTick {
        GunTick::new(self.now_ns / 1_000).unwrap()
    }

    fn step(&mut self) {
        self.now_ns += MS;
        let tick = self.tick();
        if let Some(every_ns) = self.fire_every_ns
            && self.now_ns >= self.fire_at_ns
            && self.link.epoch().is_some()
        {
            self.fire_at_ns = self.now_ns + every_ns;
            // An inhibited gun does not fire, nor one above its limits.
            let _ = self.link.fire(measured(), tick);
        }
        self.budget = (self.budget + BYTES_PER_MS).min(256);
        while self.budget >= 128 && self.unread.len() < self.unread_max {
            let frame = match self.faulty.as_mut() {
                Some(faulty) => faulty.next_frame(&mut self.link, tick),
                None => self.link.next_frame(tick),
            };
            let Some(frame) = frame else { break };
            self.budget = self.budget.saturating_sub(frame.len());
            self.unread.extend(frame);
        }
    }
}

impl Wire for GunInMemory {
    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let tick = self.tick();
        match self.faulty.as_mut() {
            Some(faulty) => faulty.receive(&mut self.link, bytes, tick),
            None => self.link.receive(bytes, tick),
        }
        Ok(())
    }

    fn receive(&mut self, until_ns: u64) -> Result<Vec<u8>, WireError> {
        while self.unread.is_empty() && self.now_ns < until_ns {
            self.step();
        }
        Ok(std::mem::take(&mut self.unread))
    }

    fn neglect(&mut self, until_ns: u64) {
        while self.now_ns < until_ns {
            self.step();
        }
    }
}

fn bench(key: Option<LinkKey>) -> Bench {
    Bench {
        session: 0x0100,
        epoch: Epoch(0x1234_5678_9ABC_DEF0),
        shot_patience_ns: 5_000 * MS,
        key,
        nonce: [0x5A; 16],
    }
}

fn check(gun: &mut GunInMemory, only: Option<&str>) -> Vec<Finding> {
    let wanted = |check: &meso_testkit::conform::Check| only.is_none_or(|name| check.name == name);
    let key = gun.key.clone();
    run(gun, &bench(key), wanted, &mut |_| {}, &mut |_| {}).unwrap()
}

/// All but the key.
fn all_capabilities() -> Capabilities {
    Capabilities(0b1_1011_1111)
}

/// What a sound gun does not do: n/a for one without a key.
const KEY_CHECKS: [&str; 4] = ["sealed", "forged", "replay", "fresh-nonce"];

fn not_applicable(findings: &[Finding]) -> Vec<&str> {
    let is = |f: &&Finding| f.outcome == Outcome::NotApplicable;
    findings.iter().filter(is).map(|f| f.check).collect()
}

/// A sound gun but for the fault, with a key or without.
fn faulty(fault: Fault, with_key: bool) -> GunInMemory {
    let settings = settings(all_capabilities(), LeaseLoss::Continue);
    let settings = if with_key { keyed(settings) } else { settings };
    GunInMemory::new(settings, Some(fault))
}

fn failed(findings: &[Finding]) -> Vec<&str> {
    let is_failed = |f: &&Finding| f.outcome == Outcome::Failed;
    findings.iter().filter(is_failed).map(|f| f.check).collect()
}

#[test]
fn a_sound_gun_passes_every_check() {
    for lease_loss in [LeaseLoss::Continue, LeaseLoss::Inhibit] {
        let sound = settings(all_capabilities(), lease_loss);
        let findings = check(&mut GunInMemory::new(sound.clone(), None), None);
        assert_eq!(failed(&findings), [""; 0], "{findings:#?}");
        assert_eq!(not_applicable(&findings), KEY_CHECKS, "{findings:#?}");
        let findings = check(&mut GunInMemory::new(keyed(sound), None), None);
        let passed = findings
            .iter()
            .filter(|f| f.outcome == Outcome::Passed)
            .count();
        assert_eq!(passed, CHECKS.len(), "{findings:#?}");
    }
}

#[test]
fn each_fault_fails_the_check_that_it_is_for_and_no_other() {
    for fault in Fault::ALL {
        for with_key in [false, true] {
            if fault.needs_key() && !with_key {
                continue;
            }
            let findings = check(&mut faulty(fault, with_key), None);
            assert_eq!(
                failed(&findings),
                fault.fails(),
                "{} with key {with_key}: {findings:#?}",
                fault.name()
            );
            assert!(!is_conformant(&findings), "{}", fault.name());
        }
    }
}

#[test]
fn each_check_stands_alone() {
    for fault in Fault::ALL {
        for only in fault.fails() {
            let findings = check(&mut faulty(fault, fault.needs_key()), Some(only));
            assert_eq!(
                failed(&findings),
                [*only],
                "{}: {findings:#?}",
                fault.name()
            );
        }
    }
    for published in CHECKS {
        let settings = keyed(settings(all_capabilities(), LeaseLoss::Continue));
        let findings = check(&mut GunInMemory::new(settings, None), Some(published.name));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].outcome, Outcome::Passed, "{findings:#?}");
    }
}

#[test]
fn a_gun_that_can_do_nothing_more_than_it_must_passes() {
    let settings = settings(Capabilities::default(), LeaseLoss::Continue);
    let findings = check(&mut GunInMemory::new(settings, None), None);
    assert!(is_conformant(&findings), "{findings:#?}");
    let optional = [
        &["inhibit", "resume", "set-limits", "identify"][..],
        &KEY_CHECKS,
    ];
    assert_eq!(not_applicable(&findings), optional.concat());
}

#[test]
fn built_in_limits_cannot_be_loosened_and_the_check_sees_it() {
    let mut settings = settings(all_capabilities(), LeaseLoss::Continue);
    settings.limits.depth_max = Some(Micrometres::new(6_000).unwrap());
    let findings = check(&mut GunInMemory::new(settings, None), Some("set-limits"));
    assert_eq!(findings[0].outcome, Outcome::Passed, "{findings:#?}");
}

#[test]
fn a_key_that_is_not_the_guns_fails_and_so_does_none() {
    let settings = settings(all_capabilities(), LeaseLoss::Continue);
    let mut gun = GunInMemory::new(keyed(settings.clone()), None);
    gun.key = None;
    let findings = check(&mut gun, Some("greeting"));
    assert!(findings[0].seen.contains("--key-file"), "{findings:#?}");
    assert_eq!(findings[0].outcome, Outcome::Failed);
    let mut gun = GunInMemory::new(keyed(settings.clone()), None);
    gun.key = Some(LinkKey::new([1; 32]));
    assert!(!is_conformant(&check(&mut gun, None)));
    let mut gun = GunInMemory::new(settings, None);
    gun.key = Some(KEY);
    assert_eq!(failed(&check(&mut gun, None)), KEY_CHECKS);
}

#[test]
fn a_gun_without_sensors_fails_advice_only() {
    let settings = settings(Capabilities::CAN_INHIBIT, LeaseLoss::Continue);
    let findings = check(&mut GunInMemory::new(settings, None), None);
    assert_eq!(failed(&findings), ["senses", "durable-ring"]);
    assert!(is_conformant(&findings));
}

#[test]
fn a_ring_that_overflows_and_counts_it_passes() {
    let mut settings = settings(all_capabilities(), LeaseLoss::Continue);
    settings.ring_shots_max = 24;
    let mut gun = GunInMemory::new(settings, None);
    gun.fire_every_ns = Some(50 * MS);
    gun.unread_max = 700;
    let findings = check(&mut gun, Some("overload"));
    assert_eq!(findings[0].outcome, Outcome::Passed, "{findings:#?}");
    assert!(gun.link.inventory().lost_count > 0, "the ring did overflow");
    assert!(!findings[0].seen.contains(" 0 gone"), "{findings:#?}");
}

#[test]
fn a_gun_at_which_nobody_fires_is_not_said_to_pass() {
    let settings = settings(all_capabilities(), LeaseLoss::Continue);
    let mut gun = GunInMemory::new(settings, None);
    gun.fire_every_ns = None;
    let mut asked = 0;
    let wanted = |check: &meso_testkit::conform::Check| check.name == "stream";
    let findings = run(
        &mut gun,
        &bench(None),
        wanted,
        &mut |_| asked += 1,
        &mut |_| {},
    )
    .unwrap();
    assert_eq!(failed(&findings), ["stream"]);
    assert_eq!(asked, 1, "somebody was asked to fire");
}

#[test]
fn every_name_is_used_once_and_every_fault_names_a_mandatory_check() {
    let mut names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CHECKS.len());
    for fault in Fault::ALL {
        for name in fault.fails() {
            let check = CHECKS.iter().find(|check| check.name == *name);
            assert_eq!(
                check.map(|check| check.weight),
                Some(Weight::Mandatory),
                "{fault:?}"
            );
        }
        assert_eq!(fault.name().parse(), Ok(fault));
    }
    assert!("sound".parse::<Fault>().is_err());
}

/// The rows of the tables in the document whose first cell is a name in backquotes.
fn documented() -> Vec<Vec<String>> {
    let text = include_str!("../../../firmware-bridge/CONFORMANCE.md");
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = text.lines().map(cells).collect();
    let is_named = |row: &Vec<String>| row.len() == 6 || row.len() == 5;
    let is_quoted = |row: &Vec<String>| row[1].starts_with('`');
    rows.into_iter()
        .filter(is_named)
        .filter(is_quoted)
        .collect()
}

#[test]
fn the_document_lists_every_check_and_every_fault_as_they_are() {
    let rows = documented();
    let checks: Vec<[String; 3]> = rows
        .iter()
        .filter(|row| row.len() == 6)
        .map(|row| [row[1].clone(), row[2].clone(), row[3].clone()])
        .collect();
    let expected: Vec<[String; 3]> = CHECKS
        .iter()
        .map(|check| {
            let name = format!("`{}`", check.name);
            [name, check.weight.to_string(), check.section.to_owned()]
        })
        .collect();
    assert_eq!(checks, expected);
    let faults: Vec<[String; 2]> = rows
        .iter()
        .filter(|row| row.len() == 5)
        .map(|row| [row[1].clone(), row[3].clone()])
        .collect();
    let expected = Fault::ALL.map(|fault| {
        let fails: Vec<String> = fault
            .fails()
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        [format!("`{}`", fault.name()), fails.join(", ")]
    });
    assert_eq!(faults, expected);
}
