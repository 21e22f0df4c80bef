//! Rung D: the driver on a computer with a real USB stack. Debian's kernel enumerates two guns,
//! drives them by its own `ftdi_sio` and `cdc_acm`, and loses them when their cables are pulled.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

mod room;

use serde_json::Value;

use room::{CONVERTER_GUN, DEVICE_GUN, Room};

/// The entry of a list whose field has this value.
#[track_caller]
fn entry<'a>(list: &'a Value, field: &str, value: &str) -> &'a Value {
    let entries = list.as_array().unwrap();
    entries
        .iter()
        .find(|entry| entry[field] == value)
        .unwrap_or_else(|| panic!("no {field} {value} in {list}"))
}

#[test]
fn both_guns_are_enumerated_with_what_their_usb_devices_say() {
    let mut room = Room::start();
    let listed = room.ports(2);
    let converter = entry(&listed["ports"], "path", "/dev/ttyUSB0");
    assert_eq!(converter["usb_id"], "0403:6001");
    assert_eq!(converter["usb_serial"], CONVERTER_GUN);
    let device = entry(&listed["ports"], "path", "/dev/ttyACM0");
    assert_eq!(device["usb_id"], "1209:0001");
    assert_eq!(device["usb_serial"], DEVICE_GUN);
    assert_eq!(device["manufacturer"], "Example");
    assert_eq!(device["product"], "Injector");
}

#[test]
fn guns_that_are_pulled_out_and_put_back_while_they_fire_lose_no_shot() {
    let mut room = Room::start();
    room.start_driver();
    room.wait_for_more(CONVERTER_GUN, 10);
    room.wait_for_more(DEVICE_GUN, 10);

    room.computer.unplug_converter().unwrap();
    room.wait_attached(CONVERTER_GUN, false);
    room.wait_for_more(DEVICE_GUN, 10);
    room.computer.plug_converter(CONVERTER_GUN).unwrap();
    room.wait_attached(CONVERTER_GUN, true);

    room.computer.plug_gadget(false).unwrap();
    room.wait_attached(DEVICE_GUN, false);
    room.wait_for_more(CONVERTER_GUN, 10);
    room.computer.plug_gadget(true).unwrap();
    room.wait_attached(DEVICE_GUN, true);
    room.wait_for_more(DEVICE_GUN, 10);

    let fired = room.stop_firing();
    for (serial, shots) in &fired {
        let last = shots.last().unwrap().counter;
        room.wait_for(serial, last);
    }
    let journal = room.leave();
    assert_eq!(journal["guns"].as_array().unwrap().len(), 2, "{journal}");
    for (serial, shots) in fired {
        let last = shots.last().unwrap().counter;
        assert_eq!(shots.len(), last as usize, "{serial} fired in one epoch");
        let held = entry(&journal["guns"], "gun", serial);
        assert_eq!(
            held["shots"].to_string(),
            format!("[[1,{last}]]"),
            "{serial}"
        );
    }
}

#[test]
fn a_cable_with_the_number_of_another_gun_is_refused_by_name() {
    let mut room = Room::start();
    room.start_driver();
    room.wait_for_more(CONVERTER_GUN, 5);
    room.computer.unplug_converter().unwrap();
    room.wait_attached(CONVERTER_GUN, false);
    room.computer.plug_converter("GUN-000999").unwrap();
    let state = room.wait_until("the port is refused", |state| {
        !state["port_problems"].as_object().unwrap().is_empty()
    });
    let (port, problem) = state["port_problems"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    assert_eq!(port, "/dev/ttyUSB0");
    let problem = problem.as_str().unwrap();
    assert!(
        problem.contains(CONVERTER_GUN) && problem.contains("GUN-000999"),
        "{problem}"
    );
    assert_eq!(
        entry(&state["guns"], "serial", CONVERTER_GUN)["attached"],
        false
    );

    // With its own cable it goes on where it was.
    room.computer.unplug_converter().unwrap();
    room.computer.plug_converter(CONVERTER_GUN).unwrap();
    room.wait_attached(CONVERTER_GUN, true);
    room.wait_for_more(CONVERTER_GUN, 5);
}
