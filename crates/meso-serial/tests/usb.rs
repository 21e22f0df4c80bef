//! The serial number of a USB device beside that of the gun behind it.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use meso_config::UsbSerial;
use meso_serial::{GunEvent, GunPorts, PortEvent, SerialConfig};

use crate::fake::{FakeCable, FakeSource};
use crate::misbehaving::FakeGun;

const PATIENCE: Duration = Duration::from_secs(20);

fn start(source: &FakeSource, usb_serial: UsbSerial) -> (GunPorts, Receiver<PortEvent>) {
    let (events, heard) = sync_channel(16);
    let config = SerialConfig {
        scan_interval: Duration::from_millis(20),
        usb_serial,
        ..SerialConfig::default()
    };
    let ports = GunPorts::start(source.clone(), config, events).unwrap();
    (ports, heard)
}

/// The first events up to the wanted one.
fn events_until(
    gun: &mut FakeGun,
    heard: &Receiver<PortEvent>,
    is_wanted: impl Fn(&GunEvent) -> bool,
) -> Vec<GunEvent> {
    let began = Instant::now();
    let mut events = Vec::new();
    while !events.last().is_some_and(&is_wanted) {
        assert!(began.elapsed() < PATIENCE, "{events:?}");
        gun.pump();
        if let Ok(event) = heard.recv_timeout(Duration::from_millis(2)) {
            events.push(event.event);
        }
    }
    events
}

fn plugged(source: &FakeSource, usb: Option<&str>) -> FakeGun {
    source.describe_usb("port", usb);
    let cable: FakeCable = source.plug("port");
    FakeGun::new("GUN-0001", cable)
}

#[test]
fn a_cable_of_another_gun_is_told_and_the_gun_is_taken() {
    let source = FakeSource::default();
    let mut gun = plugged(&source, Some("GUN-0002"));
    let (ports, heard) = start(&source, UsbSerial::Compare);
    let is_told = |event: &GunEvent| matches!(event, GunEvent::UsbSerialDiffers { .. });
    let events = events_until(&mut gun, &heard, is_told);
    let usb = "GUN-0002".to_owned();
    assert!(matches!(&events[0], GunEvent::Attached(_)), "{events:?}");
    assert_eq!(events.last(), Some(&GunEvent::UsbSerialDiffers { usb }));
    ports.stop();
}

#[test]
fn a_converter_with_a_number_of_its_own_make_is_no_news() {
    let source = FakeSource::default();
    let mut gun = plugged(&source, Some("A50285BI"));
    let (ports, heard) = start(&source, UsbSerial::Compare);
    let events = events_until(&mut gun, &heard, |event| {
        matches!(event, GunEvent::Clock(_))
    });
    let is_told = |event: &GunEvent| matches!(event, GunEvent::UsbSerialDiffers { .. });
    assert!(!events.iter().any(is_told), "{events:?}");
    ports.stop();
}

#[test]
fn a_gun_behind_another_usb_number_is_refused_where_the_same_is_required() {
    let source = FakeSource::default();
    let mut gun = plugged(&source, Some("A50285BI"));
    let (ports, heard) = start(&source, UsbSerial::Require);
    let is_told = |event: &GunEvent| matches!(event, GunEvent::Unavailable { .. });
    let events = events_until(&mut gun, &heard, is_told);
    let [GunEvent::Unavailable { problem }] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(
        problem.contains("GUN-0001") && problem.contains("A50285BI"),
        "{problem}"
    );
    assert!(ports.attached().is_empty());
    ports.stop();
}
