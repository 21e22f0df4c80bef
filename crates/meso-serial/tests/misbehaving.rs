//! Guns and ports that misbehave.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use meso_link_proto::auth::NonceSeed;
use meso_link_proto::frame::{LineCounters, encode_frame};
use meso_link_proto::message::kind;
use meso_link_proto::{
    Capabilities, GunLimits, GunLink, GunSettings, GunText, LeaseLoss, Measured, RejectReason,
    ShotKey,
};
use meso_serial::{
    DetachReason, GunEvent, GunPorts, PortEvent, PortName, RejectCause, SerialConfig,
};
use meso_units::{BootId, Epoch, GunSerial, GunTick, Micrometres, ShotCounter};

use crate::fake::{FakeCable, FakeSource};

const PATIENCE: Duration = Duration::from_secs(20);
const EPOCH: Epoch = Epoch(5);

/// A gun on a fake cable, run by the test's own loop.
pub(crate) struct FakeGun {
    link: GunLink,
    cable: FakeCable,
    started: Instant,
}

impl FakeGun {
    pub(crate) fn new(serial: &str, cable: FakeCable) -> FakeGun {
        let settings = GunSettings {
            serial: GunSerial::parse(serial).unwrap(),
            model: GunText::new("model", "FAKE").unwrap(),
            firmware: GunText::new("firmware", "1").unwrap(),
            firmware_hash: [0; 8],
            boot: BootId(1),
            boot_count: 1,
            capabilities: Capabilities::default(),
            limits: GunLimits::default(),
            lease_loss: LeaseLoss::Continue,
            ring_shots_max: 64,
            key: None,
            nonce_seed: NonceSeed::default(),
        };
        FakeGun {
            link: GunLink::new(settings),
            cable,
            started: Instant::now(),
        }
    }

    fn tick(&self) -> GunTick {
        GunTick::new(u64::try_from(self.started.elapsed().as_micros()).unwrap()).unwrap()
    }

    fn fire(&mut self) {
        let depth = Micrometres::new(2_000).unwrap();
        let measured = Measured {
            depth_set: Some(depth),
            ..Measured::default()
        };
        self.link.fire(measured, self.tick()).unwrap();
    }

    pub(crate) fn pump(&mut self) {
        let bytes = self.cable.take();
        self.link.receive(&bytes, self.tick());
        while let Some(frame) = self.link.next_frame(self.tick()) {
            self.cable.send(&frame);
        }
    }
}

struct Bench {
    source: FakeSource,
    ports: GunPorts,
    heard: Receiver<PortEvent>,
}

fn start() -> Bench {
    let source = FakeSource::default();
    let (events, heard) = sync_channel(16);
    let config = SerialConfig {
        scan_interval: Duration::from_millis(20),
        ..Default::default()
    };
    let ports = GunPorts::start(source.clone(), config, events).unwrap();
    Bench {
        source,
        ports,
        heard,
    }
}

impl Bench {
    /// Runs the guns until an event is the wanted one; answers greetings meanwhile.
    fn run_until(
        &self,
        guns: &mut [&mut FakeGun],
        mut is_wanted: impl FnMut(&PortEvent) -> bool,
    ) -> PortEvent {
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < PATIENCE, "the event does not come");
            for gun in guns.iter_mut() {
                gun.pump();
            }
            let Ok(event) = self.heard.recv_timeout(Duration::from_millis(2)) else {
                continue;
            };
            if let GunEvent::Attached(hello) = &event.event {
                let _ = match hello.epoch() {
                    None => self.ports.assign_epoch(&hello.serial, EPOCH).map(|_| ()),
                    Some(epoch) => self.ports.expect_from(&hello.serial, epoch, ShotCounter(1)),
                };
            }
            if is_wanted(&event) {
                return event;
            }
        }
    }
}

fn is_shot(event: &PortEvent, counter: u32) -> bool {
    matches!(&event.event, GunEvent::Shot { shot, .. } if shot.key.counter.get() == counter)
}

#[test]
fn a_gun_that_is_plugged_in_later_is_found() {
    let bench = start();
    let mut gun = FakeGun::new("GUN-1", bench.source.plug("port-a"));
    gun.fire();
    bench.run_until(&mut [&mut gun], |event| is_shot(event, 1));
    assert_eq!(bench.ports.attached(), [GunSerial::parse("GUN-1").unwrap()]);
    bench.ports.stop();
}

#[test]
fn an_impossible_shot_is_handed_on_with_its_identity_and_the_next_one_comes() {
    let bench = start();
    let mut gun = FakeGun::new("GUN-1", bench.source.plug("port-a"));
    gun.fire();
    bench.run_until(&mut [&mut gun], |event| is_shot(event, 1));
    // Shot 2 as a broken sensor would report it: 14 mm.
    gun.fire();
    let key = ShotKey {
        epoch: EPOCH,
        counter: ShotCounter(2),
    };
    let mut payload = sample_payload(key);
    payload[32..36].copy_from_slice(&14_000_u32.to_le_bytes());
    gun.cable
        .send(&encode_frame(kind::SHOT, 0, &payload).unwrap());
    let event = bench.run_until(&mut [], |event| {
        matches!(event.event, GunEvent::Rejected { .. })
    });
    let GunEvent::Rejected {
        reason,
        bytes,
        identity,
    } = event.event
    else {
        panic!("rejected")
    };
    assert!(
        matches!(
            reason,
            RejectCause::Frame(RejectReason::Impossible {
                field: "depth_set_um",
                ..
            })
        ),
        "{reason}"
    );
    assert_eq!(bytes, payload);
    assert_eq!(identity, Some(key));
    gun.fire();
    bench.run_until(&mut [&mut gun], |event| is_shot(event, 3));
    bench.ports.stop();
}

fn sample_payload(key: ShotKey) -> Vec<u8> {
    meso_link_proto::ShotEvent {
        key,
        boot: BootId(1),
        tick: GunTick::new(1).unwrap(),
        interval: None,
        measured: Measured {
            depth_set: Some(Micrometres::new(1).unwrap()),
            ..Measured::default()
        },
    }
    .encode_payload()
}

#[test]
fn garbage_on_the_line_is_counted_and_the_next_shot_comes() {
    let bench = start();
    let mut gun = FakeGun::new("GUN-1", bench.source.plug("port-a"));
    gun.fire();
    bench.run_until(&mut [&mut gun], |event| is_shot(event, 1));
    let garbage: Vec<u8> = (0..2_000_u32)
        .map(|n| (n.wrapping_mul(167) >> 3) as u8)
        .collect();
    gun.cable.send(&garbage);
    gun.cable.send(&[0]);
    gun.fire();
    // Which of the two is told first depends on how the bytes fall into the readings.
    let (mut has_shot, mut counters) = (false, LineCounters::default());
    bench.run_until(&mut [&mut gun], |event| {
        has_shot |= is_shot(event, 2);
        if let GunEvent::Counters(told) = &event.event {
            counters = *told;
        }
        has_shot && counters.skipped_bytes > 0
    });
    assert!(counters.skipped_bytes > 1_500, "{counters:?}");
    bench.ports.stop();
}

#[test]
fn a_pulled_cable_is_a_hang_up_and_never_a_busy_loop() {
    let bench = start();
    let cable = bench.source.plug("port-a");
    let mut gun = FakeGun::new("GUN-1", cable.clone());
    bench.run_until(&mut [&mut gun], |event| {
        matches!(event.event, GunEvent::Attached(_))
    });
    cable.pull();
    let event = bench.run_until(&mut [&mut gun], |event| {
        matches!(event.event, GunEvent::Detached { .. })
    });
    assert_eq!(
        event.event,
        GunEvent::Detached {
            reason: DetachReason::HungUp
        }
    );
    bench.ports.stop();
    assert!(
        cable.open_count() < 1_000,
        "{} openings",
        cable.open_count()
    );
}

#[test]
fn a_gun_that_hangs_is_told_as_silent_and_its_port_is_opened_again() {
    let bench = start();
    let cable = bench.source.plug("port-a");
    let mut gun = FakeGun::new("GUN-1", cable.clone());
    bench.run_until(&mut [&mut gun], |event| {
        matches!(event.event, GunEvent::Attached(_))
    });
    let event = bench.run_until(&mut [], |event| {
        matches!(event.event, GunEvent::Detached { .. })
    });
    assert_eq!(
        event.event,
        GunEvent::Detached {
            reason: DetachReason::Silent
        }
    );
    gun.link.line_reset();
    bench.run_until(&mut [&mut gun], |event| {
        matches!(event.event, GunEvent::Attached(_))
    });
    assert_eq!(cable.open_count(), 2);
    bench.ports.stop();
}

#[test]
fn a_gun_that_takes_nothing_more_is_told_so_and_its_port_is_opened_again() {
    let bench = start();
    let cable = bench.source.plug("port-a");
    let mut gun = FakeGun::new("GUN-1", cable.clone());
    bench.run_until(&mut [&mut gun], |event| {
        matches!(event.event, GunEvent::Attached(_))
    });
    cable.stuff(true);
    let event = bench.run_until(&mut [&mut gun], |event| {
        matches!(event.event, GunEvent::Detached { .. })
    });
    assert_eq!(
        event.event,
        GunEvent::Detached {
            reason: DetachReason::CannotWrite
        }
    );
    cable.stuff(false);
    gun.link.line_reset();
    bench.run_until(&mut [&mut gun], |event| {
        matches!(event.event, GunEvent::Attached(_))
    });
    bench.ports.stop();
}

#[test]
fn a_second_gun_of_the_same_serial_number_is_kept_out_and_named() {
    let bench = start();
    let mut first = FakeGun::new("GUN-1", bench.source.plug("port-a"));
    bench.run_until(&mut [&mut first], |event| {
        matches!(event.event, GunEvent::Attached(_))
    });
    let mut second = FakeGun::new("GUN-1", bench.source.plug("port-b"));
    let event = bench.run_until(&mut [&mut first, &mut second], |event| {
        event.port == PortName::new("port-b")
    });
    let reason = DetachReason::SameSerialElsewhere {
        port: PortName::new("port-a"),
    };
    assert_eq!(event.event, GunEvent::Detached { reason });
    first.fire();
    bench.run_until(&mut [&mut first, &mut second], |event| {
        is_shot(event, 1) && event.port == PortName::new("port-a")
    });
    bench.ports.stop();
}

#[test]
fn another_gun_on_the_same_port_is_noticed() {
    let bench = start();
    let cable = bench.source.plug("port-a");
    let mut gun = FakeGun::new("GUN-1", cable.clone());
    bench.run_until(&mut [&mut gun], |event| {
        matches!(event.event, GunEvent::Attached(_))
    });
    let mut other = FakeGun::new("GUN-2", cable);
    let event = bench.run_until(&mut [&mut other], |event| {
        matches!(event.event, GunEvent::Detached { .. })
    });
    assert_eq!(
        event.event,
        GunEvent::Detached {
            reason: DetachReason::Replaced
        }
    );
    assert_eq!(event.gun, Some(GunSerial::parse("GUN-1").unwrap()));
    other.fire();
    bench.run_until(&mut [&mut other], |event| is_shot(event, 1));
    bench.ports.stop();
}

#[test]
fn a_port_that_cannot_be_opened_is_told_once() {
    let bench = start();
    bench.source.plug_unopenable("port-x");
    let mut gun = FakeGun::new("GUN-1", bench.source.plug("port-a"));
    let event = bench.run_until(&mut [&mut gun], |event| {
        event.port == PortName::new("port-x")
    });
    assert!(matches!(event.event, GunEvent::Unavailable { .. }));
    gun.fire();
    bench.run_until(&mut [&mut gun], |event| {
        assert_ne!(event.port, PortName::new("port-x"));
        is_shot(event, 1)
    });
    bench.ports.stop();
}

#[test]
fn a_driver_that_reads_nothing_can_still_stop_at_once() {
    let bench = start();
    let mut gun = FakeGun::new("GUN-1", bench.source.plug("port-a"));
    let began = Instant::now();
    // Nobody reads the channel of sixteen; the gun's status and clock events fill it.
    while began.elapsed() < Duration::from_millis(500) {
        gun.pump();
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let began = Instant::now();
    bench.ports.stop();
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}
