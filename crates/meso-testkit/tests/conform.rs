//! The conformance kit against guns in memory, on simulated time.

use meso_link_proto::{
    Capabilities, GunLimits, GunLink, GunSettings, GunText, LeaseLoss, Measured,
};
use meso_testkit::conform::{
    Bench, CHECKS, Finding, Outcome, Weight, Wire, WireError, is_conformant, run,
};
use meso_testkit::gun::fault::{Fault, FaultyLine};
use meso_units::{BootId, Epoch, GunSerial, GunTick};

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
    }
}

impl GunInMemory {
    fn new(settings: GunSettings, fault: Option<Fault>) -> GunInMemory {
        GunInMemory {
            now_ns: 5_000 * MS,
            link: GunLink::new(settings.clone()),
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
            // An inhibited gun does not fire.
            let _ = self.link.fire(Measured::default(), tick);
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

const BENCH: Bench = Bench {
    session: 0x0100,
    epoch: Epoch(0x1234_5678_9ABC_DEF0),
    shot_patience_ns: 5_000 * MS,
};

fn check(gun: &mut GunInMemory, only: Option<&str>) -> Vec<Finding> {
    let wanted = |check: &meso_testkit::conform::Check| only.is_none_or(|name| check.name == name);
    run(gun, &BENCH, wanted, &mut |_| {}, &mut |_| {}).unwrap()
}

fn all_capabilities() -> Capabilities {
    Capabilities(0b11_1111)
}

fn failed(findings: &[Finding]) -> Vec<&str> {
    let is_failed = |f: &&Finding| f.outcome == Outcome::Failed;
    findings.iter().filter(is_failed).map(|f| f.check).collect()
}

#[test]
fn a_sound_gun_passes_every_check() {
    for lease_loss in [LeaseLoss::Continue, LeaseLoss::Inhibit] {
        let mut gun = GunInMemory::new(settings(all_capabilities(), lease_loss), None);
        let findings = check(&mut gun, None);
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
        let settings = settings(all_capabilities(), LeaseLoss::Continue);
        let findings = check(&mut GunInMemory::new(settings, Some(fault)), None);
        assert_eq!(
            failed(&findings),
            fault.fails(),
            "{}: {findings:#?}",
            fault.name()
        );
        assert!(!is_conformant(&findings), "{}", fault.name());
    }
}

#[test]
fn each_check_stands_alone() {
    for fault in Fault::ALL {
        for only in fault.fails() {
            let settings = settings(all_capabilities(), LeaseLoss::Continue);
            let mut gun = GunInMemory::new(settings, Some(fault));
            let findings = check(&mut gun, Some(only));
            assert_eq!(
                failed(&findings),
                [*only],
                "{}: {findings:#?}",
                fault.name()
            );
        }
    }
    for published in CHECKS {
        let settings = settings(all_capabilities(), LeaseLoss::Continue);
        let findings = check(&mut GunInMemory::new(settings, None), Some(published.name));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].outcome, Outcome::Passed, "{findings:#?}");
    }
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
    let findings = run(&mut gun, &BENCH, wanted, &mut |_| asked += 1, &mut |_| {}).unwrap();
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
