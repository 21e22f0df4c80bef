//! The permissions of a broker that is not ours, as they are published.

use meso_contract::asyncapi::document;
use meso_contract::permissions::{Access, Permission, mosquitto_acl, of_driver, of_ingest};
use meso_contract::topics;
use meso_units::{ClinicId, DriverId};

#[test]
fn the_published_permissions_of_mosquitto_are_those_of_the_code() {
    let room = (
        ClinicId::parse("example-clinic").unwrap(),
        DriverId::parse("room-1").unwrap(),
    );
    crate::golden::assert_current("config/mosquitto/acl", &mosquitto_acl(&[room]));
}

/// Whether a filter of MQTT takes an address of the description, whose places stand for anything.
fn takes(filter: &str, address: &str) -> bool {
    filter.split('/').count() == address.split('/').count()
        && filter
            .split('/')
            .zip(address.split('/'))
            .all(|(level, part)| level == "+" || level == part || part.starts_with('{'))
}

#[test]
fn every_channel_of_the_description_may_be_used_as_it_says() {
    let clinic = ClinicId::parse("example-clinic").unwrap();
    let driver = DriverId::parse("room-1").unwrap();
    let may = |permissions: &[Permission], access: Access, address: &str| {
        permissions
            .iter()
            .any(|it| it.access == access && takes(&it.filter, address))
    };
    let (of_driver, of_ingest) = (of_driver(&clinic, &driver), of_ingest());
    let document: serde_json::Value = serde_json::from_str(&document()).unwrap();
    for operation in document["operations"].as_object().unwrap().values() {
        let channel = operation["channel"]["$ref"].as_str().unwrap();
        let channel = document
            .pointer(channel.strip_prefix('#').unwrap())
            .unwrap();
        let address = channel["address"].as_str().unwrap();
        let (writer, readers) = match operation["action"].as_str().unwrap() {
            "send" => (&of_driver, [&of_ingest, &of_driver]),
            _ => (&of_ingest, [&of_driver, &of_driver]),
        };
        assert!(
            may(writer, Access::Write, address),
            "nobody may write {address}"
        );
        let is_read = readers.iter().any(|it| may(it, Access::Read, address));
        assert!(is_read, "nobody may read {address}");
    }
}

#[test]
fn a_driver_tells_of_its_own_links_only_and_hears_those_of_its_clinic_alone() {
    let id = |text: &str| DriverId::parse(text).unwrap();
    let clinic = |text: &str| ClinicId::parse(text).unwrap();
    let here = clinic("example-clinic");
    let links = |clinic: &ClinicId, driver: &str| topics::links(clinic, &id(driver), 0);
    let may = |permissions: &[Permission], access: Access, topic: &str| {
        let mut permissions = permissions.iter();
        permissions.any(|it| it.access == access && takes(&it.filter, topic))
    };
    let driver = of_driver(&here, &id("room-1"));
    let (own, other) = (links(&here, "room-1"), links(&here, "room-2"));
    let elsewhere = links(&clinic("another-clinic"), "room-1");
    assert!(may(&driver, Access::Write, &own));
    assert!(!may(&driver, Access::Write, &other));
    assert!(!may(&driver, Access::Write, &elsewhere));
    assert!(may(&driver, Access::Read, &own) && may(&driver, Access::Read, &other));
    assert!(!may(&driver, Access::Read, &elsewhere));
    for access in [Access::Read, Access::Write] {
        assert!(
            !may(&of_ingest(), access, &own),
            "the server has no use for them"
        );
    }
}
