//! The published description of the bus against the code and against real payloads.

use meso_contract::asyncapi::{channel_of, document};
use meso_contract::topics::{self, Topic};
use meso_domain::Stream;
use meso_units::{ClinicId, DriverId, GunSerial};
use serde_json::{Value, json};

use crate::payloads::{Payload, all};

const FILE: &str = "crates/meso-contract/asyncapi.json";

fn parsed() -> Value {
    serde_json::from_str(&document()).unwrap()
}

/// A check of payloads by the schema of that name.
fn validator(schema: &str) -> jsonschema::Validator {
    let mut root = parsed();
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["$ref"] = json!(format!("#/components/schemas/{schema}"));
    jsonschema::validator_for(&root).unwrap()
}

#[test]
fn the_published_description_is_that_of_the_code() {
    crate::golden::assert_current(FILE, &document());
}

#[test]
fn every_real_payload_fits_its_schema() {
    for Payload { schema, name, text } in all() {
        let value: Value = serde_json::from_str(&text).unwrap();
        let validator = validator(schema);
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
}

#[test]
fn a_payload_with_an_unknown_key_or_without_a_needed_one_fits_no_schema() {
    for Payload { schema, name, text } in all() {
        let validator = validator(schema);
        let good: Value = serde_json::from_str(&text).unwrap();
        let mut more = good.clone();
        more["colour"] = json!("red");
        assert!(!validator.is_valid(&more), "{name} with a key more");
        for key in good.as_object().unwrap().keys() {
            let is_optional = matches!(
                &**key,
                "battery_percent"
                    | "clock_drift_ppm"
                    | "clock_trusted"
                    | "completeness"
                    | "interlock"
                    | "library_version"
                    | "present_epoch"
                    | "settled_hashes"
                    | "signer_lists"
                    | "signature"
            );
            let mut less = good.clone();
            less.as_object_mut().unwrap().remove(key);
            assert_eq!(
                validator.is_valid(&less),
                is_optional,
                "{name} without {key}"
            );
        }
    }
}

#[test]
fn every_topic_is_an_address_of_the_description() {
    let clinic = ClinicId::parse("riverside").unwrap();
    let driver = DriverId::parse("room-1").unwrap();
    let gun = GunSerial::parse("GUN-0001").unwrap();
    let stream = Stream::Gun(gun.clone());
    let document = parsed();
    let samples = [
        topics::blocks(&clinic, &driver, &stream),
        topics::watermark(&clinic, &driver, &stream),
        topics::wanted(&clinic, &driver, &gun),
        topics::held(&clinic, &driver, &gun),
        topics::status(&clinic, &driver),
        topics::successor(&clinic, &driver),
        topics::gun(&clinic, &driver, &gun),
        topics::alerts(&clinic, &gun),
        topics::library(&clinic),
        topics::patients(&clinic, 63),
        topics::links(&clinic, &driver, 63),
    ];
    let channels = document["channels"].as_object().unwrap();
    assert_eq!(channels.len(), samples.len());
    for topic in samples {
        let channel = channel_of(&Topic::parse(&topic).unwrap());
        let address = channels[channel]["address"].as_str().unwrap();
        let fits = address.split('/').count() == topic.split('/').count()
            && address
                .split('/')
                .zip(topic.split('/'))
                .all(|(place, part)| place.starts_with('{') || place == part);
        assert!(fits, "{topic} is no {address}");
    }
}

#[test]
fn every_reference_of_the_description_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    match value.as_str().filter(|_| key == "$ref") {
                        Some(reference) => found.push(reference.to_owned()),
                        None => references(value, found),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = parsed();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}
