//! Both ends together, over lines that lose and break bytes.

use std::collections::BTreeMap;

use meso_link_proto::auth::NonceSeed;
use meso_link_proto::clock::HostNow;
use meso_link_proto::{
    Capabilities, CommandKind, CommandOutcome, FireRefused, GunLimits, GunLink, GunSettings,
    GunText, HostEvent, HostLink, LeaseLoss, Measured, ResultCode, ShotEvent,
};
use meso_units::{BootId, Epoch, GunSerial, GunTick, Micrometres, ShotCounter, Timestamp};
use proptest::prelude::*;

const UTC_NS: i64 = 1_700_000_000_000_000_000;
pub(crate) const EPOCH: Epoch = Epoch(0xE90C);

pub(crate) fn settings(ring_shots_max: usize, boot: u32) -> GunSettings {
    GunSettings {
        serial: GunSerial::parse("GUN-0001").unwrap(),
        model: GunText::new("model", "TEST").unwrap(),
        firmware: GunText::new("firmware", "1.0.0").unwrap(),
        firmware_hash: [0; 8],
        boot: BootId(boot),
        boot_count: 1,
        capabilities: Capabilities::CAN_INHIBIT,
        limits: GunLimits::default(),
        lease_loss: LeaseLoss::Continue,
        ring_shots_max,
        key: None,
        nonce_seed: NonceSeed::default(),
    }
}

/// Which bytes of the line arrive damaged. Scattered, not periodic: with a period the damage can
/// fall in step with the repetitions and hit the same shot for ever.
#[derive(Clone, Copy)]
pub(crate) struct Damage {
    /// One byte of so many is changed; 0 is never.
    pub(crate) one_in: u64,
    pub(crate) state: u64,
}

impl Damage {
    pub(crate) const NONE: Damage = Damage {
        one_in: 0,
        state: 1,
    };

    fn apply(&mut self, bytes: &mut [u8]) {
        for byte in bytes.iter_mut().filter(|_| self.one_in != 0) {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            if self.state.is_multiple_of(self.one_in) {
                *byte ^= 0x10;
            }
        }
    }
}

/// Somebody in the line: says whether the bytes go to the gun, and changes them.
pub(crate) type Tamper = Box<dyn FnMut(bool, &mut Vec<u8>)>;

/// A host that journals everything at once, a gun, and a line of one millisecond.
pub(crate) struct Bench {
    pub(crate) now_us: u64,
    pub(crate) host: HostLink,
    pub(crate) gun: GunLink,
    damage: Damage,
    pub(crate) fired: u32,
    /// What the "journal" holds: counter → shot.
    pub(crate) held: BTreeMap<u32, ShotEvent>,
    pub(crate) order: Vec<u32>,
    pub(crate) lost: Vec<(u32, u32)>,
    pub(crate) events: Vec<HostEvent>,
    acknowledges: bool,
    /// What stands in the line and changes what goes to the gun (true) or to the host.
    pub(crate) tamper: Option<Tamper>,
}

impl Bench {
    pub(crate) fn new(ring_shots_max: usize, damage: Damage) -> Bench {
        Bench {
            now_us: 0,
            host: HostLink::new(0x5E55),
            gun: GunLink::new(settings(ring_shots_max, 1)),
            damage,
            fired: 0,
            held: BTreeMap::new(),
            order: Vec::new(),
            lost: Vec::new(),
            events: Vec::new(),
            acknowledges: true,
            tamper: None,
        }
    }

    pub(crate) fn host_now(&self) -> HostNow {
        let utc_ns = UTC_NS + i64::try_from(self.now_us * 1_000).unwrap();
        HostNow {
            monotonic_ns: self.now_us * 1_000,
            utc: Timestamp::from_unix_ns(utc_ns).unwrap(),
            segment: 0,
        }
    }

    pub(crate) fn tick(&self) -> GunTick {
        GunTick::new(self.now_us).unwrap()
    }

    pub(crate) fn fire(&mut self) {
        let depth = Micrometres::new(1_000 + self.fired % 1_000).unwrap();
        let measured = Measured {
            depth_set: Some(depth),
            ..Measured::default()
        };
        self.gun.fire(measured, self.tick()).unwrap();
        self.fired += 1;
    }

    /// One millisecond of both ends.
    pub(crate) fn step(&mut self) {
        self.now_us += 1_000;
        let mut to_gun = self.host.take_output();
        self.damage.apply(&mut to_gun);
        if let Some(tamper) = self.tamper.as_mut() {
            tamper(true, &mut to_gun);
        }
        self.gun.receive(&to_gun, self.tick());
        let mut to_host = Vec::new();
        // About what 115 200 baud carry in a millisecond, in whole frames.
        while to_host.len() < 80 {
            match self.gun.next_frame(self.tick()) {
                Some(frame) => to_host.extend(frame),
                None => break,
            }
        }
        self.damage.apply(&mut to_host);
        if let Some(tamper) = self.tamper.as_mut() {
            tamper(false, &mut to_host);
        }
        let now = self.host_now();
        let mut events = self.host.receive(&to_host, now);
        events.extend(self.host.step(now));
        for event in events {
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: HostEvent) {
        let now = self.host_now();
        match &event {
            HostEvent::Attached(hello) => match hello.epoch() {
                None => {
                    self.host.assign_epoch(EPOCH, now).unwrap();
                }
                Some(epoch) => {
                    let next = self.held.keys().next_back().map_or(1, |last| last + 1);
                    self.host
                        .expect_from(epoch, ShotCounter(next), now)
                        .unwrap();
                }
            },
            HostEvent::Shot(shot) => {
                let counter = shot.key.counter.get();
                self.order.push(counter);
                assert!(
                    self.held.insert(counter, (**shot).clone()).is_none(),
                    "{counter} twice"
                );
                if self.acknowledges {
                    self.host.acknowledge(EPOCH, shot.key.counter).unwrap();
                }
            }
            HostEvent::Lost { first, last, .. } => self.lost.push((first.get(), last.get())),
            // As the driver does: an epoch that three tries did not bring over is given again.
            HostEvent::Command {
                kind: CommandKind::AssignEpoch,
                outcome,
                ..
            } if *outcome == CommandOutcome::Unknown => {
                // Refused while the two greet each other anew; the greeting then asks again.
                let _ = self.host.assign_epoch(EPOCH, now);
            }
            _ => {}
        }
        self.events.push(event);
    }

    pub(crate) fn run_ms(&mut self, ms: u64) {
        for _ in 0..ms {
            self.step();
        }
    }

    /// Steps until the host holds the newest shot and the gun knows it.
    pub(crate) fn settle(&mut self) {
        for _ in 0..120_000 {
            let newest = self.gun.inventory().newest;
            if newest.is_none_or(|newest| {
                self.host
                    .position()
                    .is_some_and(|at| at.next.get() == newest.get() + 1)
                    && self.gun.inventory().acknowledged == Some(newest)
            }) {
                return;
            }
            self.step();
        }
        panic!(
            "not settled: {:?} {:?}",
            self.host.position(),
            self.gun.inventory()
        );
    }

    pub(crate) fn count(&self, is_wanted: impl Fn(&HostEvent) -> bool) -> usize {
        self.events.iter().filter(|event| is_wanted(event)).count()
    }
}

#[test]
fn a_new_gun_is_greeted_gets_an_epoch_and_its_shots_come_in_order() {
    let mut bench = Bench::new(64, Damage::NONE);
    bench.fire(); // before there is any host or epoch
    for _ in 0..20 {
        bench.run_ms(110);
        bench.fire();
    }
    bench.settle();
    assert_eq!(bench.order, (1..=21).collect::<Vec<u32>>());
    assert!(bench.held.values().all(|shot| shot.key.epoch == EPOCH));
    assert_eq!(bench.host.duplicate_count(), 0);
    assert_eq!(bench.host.counters().bad_crc, 0);
}

#[test]
fn the_first_shot_comes_when_its_clock_is_already_mapped() {
    let mut bench = Bench::new(64, Damage::NONE);
    bench.fire();
    bench.settle();
    let clock = bench
        .events
        .iter()
        .position(|event| matches!(event, HostEvent::Clock(_)));
    let shot = bench
        .events
        .iter()
        .position(|event| matches!(event, HostEvent::Shot(_)));
    assert!(clock.unwrap() < shot.unwrap());
}

#[test]
fn nothing_is_asked_for_before_the_caller_says_what_it_holds() {
    let mut bench = Bench::new(64, Damage::NONE);
    bench.run_ms(100);
    // The bench has answered the greeting by now; a second host on the same gun has not.
    bench.gun.line_reset();
    bench.fire();
    let mut silent = HostLink::new(77);
    let mut heard = Vec::new();
    for _ in 0..1_000 {
        bench.now_us += 1_000;
        bench.gun.receive(&silent.take_output(), bench.tick());
        while let Some(frame) = bench.gun.next_frame(bench.tick()) {
            heard.extend(silent.receive(&frame, bench.host_now()));
        }
        heard.extend(silent.step(bench.host_now()));
    }
    assert!(
        heard
            .iter()
            .any(|event| matches!(event, HostEvent::Attached(_)))
    );
    assert!(
        !heard
            .iter()
            .any(|event| matches!(event, HostEvent::Shot(_)))
    );
    assert_eq!(bench.gun.inventory().acknowledged, None);
}

#[test]
fn a_host_that_comes_back_goes_on_where_its_journal_ends() {
    let mut bench = Bench::new(64, Damage::NONE);
    for _ in 0..5 {
        bench.run_ms(110);
        bench.fire();
    }
    bench.settle();
    bench.host = HostLink::new(0xAAAA);
    bench.gun.line_reset();
    for _ in 0..5 {
        bench.fire();
        bench.run_ms(110);
    }
    bench.settle();
    assert_eq!(bench.order, (1..=10).collect::<Vec<u32>>());
}

#[test]
fn shots_that_the_ring_overwrote_are_named_as_lost_and_the_rest_comes() {
    let mut bench = Bench::new(8, Damage::NONE);
    bench.run_ms(200);
    bench.fire();
    bench.settle();
    bench.host = HostLink::new(0xBBBB);
    bench.gun.line_reset();
    for _ in 0..20 {
        bench.fire();
    }
    bench.run_ms(200);
    bench.settle();
    assert_eq!(bench.lost, [(2, 13)]);
    assert_eq!(bench.order, [vec![1], (14..=21).collect()].concat());
    assert_eq!(bench.gun.inventory().lost_count, 12);
}

#[test]
fn a_lost_host_does_not_stop_the_gun_and_a_late_one_gets_everything() {
    let mut bench = Bench::new(256, Damage::NONE);
    bench.run_ms(200);
    for _ in 0..50 {
        bench.now_us += 100_000; // the host is dead, time goes on
        bench.fire();
        while bench.gun.next_frame(bench.tick()).is_some() {}
    }
    assert!(!bench.gun.has_host(), "the lease has lapsed");
    bench.settle();
    assert_eq!(bench.order, (1..=50).collect::<Vec<u32>>());
    assert!(bench.count(|event| matches!(event, HostEvent::Attached(_))) >= 3);
}

#[test]
fn an_acknowledgement_beyond_what_was_handed_on_is_held_back() {
    let mut bench = Bench::new(64, Damage::NONE);
    bench.acknowledges = false;
    bench.run_ms(200);
    bench.fire();
    bench.fire();
    bench.run_ms(200);
    bench.host.acknowledge(EPOCH, ShotCounter(900)).unwrap();
    bench.run_ms(10);
    assert_eq!(bench.gun.inventory().acknowledged, Some(ShotCounter(2)));
    bench.host.acknowledge(EPOCH, ShotCounter(1)).unwrap();
    bench.run_ms(1_500);
    assert_eq!(
        bench.gun.inventory().acknowledged,
        Some(ShotCounter(2)),
        "it never moves back"
    );
}

#[test]
fn a_listener_hears_new_shots_and_acknowledges_none() {
    let mut bench = Bench::new(64, Damage::NONE);
    bench.acknowledges = false;
    bench.run_ms(200);
    (0..3).for_each(|_| bench.fire());
    bench.run_ms(200);
    let now = bench.host_now();
    bench.host.listen_from(EPOCH, ShotCounter(4), now).unwrap();
    bench.run_ms(50);
    bench.fire();
    bench.run_ms(1_500);
    assert_eq!(bench.order, [1, 2, 3, 4]);
    assert_eq!(bench.gun.inventory().acknowledged, None);
    let now = bench.host_now();
    bench.host.expect_from(EPOCH, ShotCounter(5), now).unwrap();
    bench.run_ms(1_500);
    assert_eq!(bench.gun.inventory().acknowledged, Some(ShotCounter(4)));
}

#[test]
fn an_inhibited_gun_does_not_fire_until_it_is_resumed() {
    let mut bench = Bench::new(64, Damage::NONE);
    bench.run_ms(200);
    let now = bench.host_now();
    let first = bench.host.inhibit(3, now).unwrap();
    bench.run_ms(5);
    assert_eq!(
        bench.gun.fire(Measured::default(), bench.tick()),
        Err(FireRefused::Inhibited)
    );
    let now = bench.host_now();
    bench.host.resume(now).unwrap();
    bench.run_ms(5);
    bench.fire();
    let done = |kind, is_inhibited| {
        let outcome = CommandOutcome::Answered {
            result: ResultCode::Done,
            is_inhibited,
            limits: GunLimits::default(),
        };
        move |event: &HostEvent| {
            matches!(event, HostEvent::Command { kind: k, outcome: o, .. }
                if *k == kind && *o == outcome)
        }
    };
    assert_eq!(bench.count(done(CommandKind::Inhibit, true)), 1);
    assert_eq!(bench.count(done(CommandKind::Resume, false)), 1);
    assert!(first > 0);
}

#[test]
fn a_command_that_nobody_answers_ends_as_unknown() {
    let mut bench = Bench::new(64, Damage::NONE);
    bench.run_ms(200);
    let now = bench.host_now();
    bench.host.inhibit(0, now).unwrap();
    let mut unknown = 0;
    for _ in 0..1_000 {
        bench.now_us += 1_000;
        let _ = bench.host.take_output();
        for event in bench.host.step(bench.host_now()) {
            let gave_up = matches!(
                event,
                HostEvent::Command {
                    outcome: CommandOutcome::Unknown,
                    ..
                }
            );
            unknown += usize::from(gave_up);
        }
    }
    assert_eq!(unknown, 1);
}

#[test]
fn a_silent_line_is_reported_once() {
    let mut host = HostLink::new(1);
    let mut silent = 0;
    for ms in 0..10_000_u64 {
        let now = HostNow {
            monotonic_ns: ms * 1_000_000,
            utc: Timestamp::from_unix_ns(UTC_NS).unwrap(),
            segment: 0,
        };
        silent += host
            .step(now)
            .iter()
            .filter(|event| **event == HostEvent::Silent)
            .count();
        let _ = host.take_output();
    }
    assert_eq!(silent, 1);
}

#[test]
fn the_link_asks_to_be_woken_no_later_than_its_next_timer() {
    let mut bench = Bench::new(64, Damage::NONE);
    bench.run_ms(3_000);
    let due_ns = bench.host.due_ns();
    let now_ns = bench.host_now().monotonic_ns;
    assert!(due_ns > now_ns, "nothing is overdue");
    assert!(
        due_ns <= now_ns + 1_000_000_000,
        "the keep-alive is due within a second"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn over_a_bad_line_each_counter_comes_exactly_once_and_in_order(
        one_in in 230_u64..2_000,
        state in 1_u64..u64::MAX,
        gaps_ms in prop::collection::vec(1_u64..200, 1..120),
        crash_at in prop::collection::vec(0_usize..120, 0..3)
    ) {
        let mut bench = Bench::new(4_096, Damage { one_in, state });
        for (place, gap_ms) in gaps_ms.iter().enumerate() {
            bench.run_ms(*gap_ms);
            bench.fire();
            if crash_at.contains(&place) {
                bench.host = HostLink::new(u32::try_from(place).unwrap() + 10);
            }
        }
        bench.settle();
        let expected: Vec<u32> = (1..=bench.fired).collect();
        prop_assert_eq!(&bench.order, &expected);
        prop_assert!(bench.lost.is_empty());
        for (counter, shot) in &bench.held {
            let depth = shot.measured.depth_set.unwrap().get();
            prop_assert_eq!(depth, 1_000 + (counter - 1) % 1_000);
        }
    }
}
