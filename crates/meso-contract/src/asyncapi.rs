//! The MQTT contract as an AsyncAPI 3 document: topics, payloads and their JSON Schemas.
//!
//! `asyncapi.json` beside this crate's manifest is its committed copy, for people and generators
//! that do not read Rust.

use std::collections::BTreeMap;

use meso_domain::PATIENT_LIST_COUNT;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::topics::{PARTITION_COUNT, PAYLOAD_BYTES_MAX, PREFIX, Topic};
use crate::{
    BlockMessage, DriverStatusMessage, GunAlertsMessage, GunStatusMessage, HeldMessage,
    LibraryMessage, LinksMessage, PAYLOAD_VERSION, PatientsMessage, SuccessorMessage,
    WantedMessage, WatermarkMessage,
};

/// A topic with places for what varies, and the only payload that it carries.
struct Channel {
    name: &'static str,
    /// Below [`PREFIX`].
    address: &'static str,
    message: &'static str,
    /// Whether drivers publish to it; the server does otherwise.
    is_from_driver: bool,
    is_retained: bool,
    summary: &'static str,
}

const CHANNELS: [Channel; 11] = [
    Channel {
        name: "blocks",
        address: "{clinic}/{driver}/blocks/{partition}/{stream}",
        message: "BlockMessage",
        is_from_driver: true,
        is_retained: false,
        summary: "Sealed record blocks on their way to the store. The broker's acknowledgement \
                  says nothing: only a watermark does.",
    },
    Channel {
        name: "watermark",
        address: "{clinic}/{driver}/watermark/{stream}",
        message: "WatermarkMessage",
        is_from_driver: false,
        is_retained: true,
        summary: "How far a stream of blocks is durable in store and ledger.",
    },
    Channel {
        name: "wanted",
        address: "{clinic}/{driver}/wanted/{serial}",
        message: "WantedMessage",
        is_from_driver: false,
        is_retained: false,
        summary: "What the ingest lacks of a gun: send it again, or say what is held.",
    },
    Channel {
        name: "held",
        address: "{clinic}/{driver}/held/{serial}",
        message: "HeldMessage",
        is_from_driver: true,
        is_retained: false,
        summary: "What a driver has of a gun, for the ingest that asked.",
    },
    Channel {
        name: "status",
        address: "{clinic}/{driver}/status",
        message: "DriverStatusMessage",
        is_from_driver: true,
        is_retained: true,
        summary: "A driver's birth; the broker publishes its last will here when it is gone.",
    },
    Channel {
        name: "successor",
        address: "{clinic}/{driver}/successor",
        message: "SuccessorMessage",
        is_from_driver: true,
        is_retained: true,
        summary: "Which journals a driver's took the place of, for the one that comes back.",
    },
    Channel {
        name: "gun",
        address: "{clinic}/{driver}/guns/{serial}",
        message: "GunStatusMessage",
        is_from_driver: true,
        is_retained: true,
        summary: "How a gun is, as its driver sees it.",
    },
    Channel {
        name: "alerts",
        address: "{clinic}/alerts/{serial}",
        message: "GunAlertsMessage",
        is_from_driver: false,
        is_retained: true,
        summary: "What is wrong with a gun and not over; an empty list where nothing is.",
    },
    Channel {
        name: "library",
        address: "{clinic}/library",
        message: "LibraryMessage",
        is_from_driver: false,
        is_retained: true,
        summary: "The signed release of the protocol library that is in force.",
    },
    Channel {
        name: "patients",
        address: "{clinic}/patients/{list}",
        message: "PatientsMessage",
        is_from_driver: false,
        is_retained: true,
        summary: "Earlier sessions of the clinic's patients, by commitment only, so that rooms \
                  judge intervals and courses with the network down.",
    },
    Channel {
        name: "links",
        address: "{clinic}/{driver}/links/{page}",
        message: "LinksMessage",
        is_from_driver: true,
        is_retained: true,
        summary: "The links from codes to patients that a driver made, for the other drivers of its \
                  clinic alone: encrypted under the patients' key of their organisation, which \
                  neither broker nor server has.",
    },
];

/// The name of the channel of a topic in the document.
pub const fn channel_of(topic: &Topic) -> &'static str {
    match topic {
        Topic::Blocks { .. } => "blocks",
        Topic::Watermark { .. } => "watermark",
        Topic::Wanted { .. } => "wanted",
        Topic::Held { .. } => "held",
        Topic::Status { .. } => "status",
        Topic::Successor { .. } => "successor",
        Topic::Gun { .. } => "gun",
        Topic::Alerts { .. } => "alerts",
        Topic::Library { .. } => "library",
        Topic::Patients { .. } => "patients",
        Topic::Links { .. } => "links",
    }
}

/// The document, as it is committed.
pub fn document() -> String {
    let mut schemas = BTreeMap::new();
    add::<BlockMessage>(&mut schemas);
    add::<WatermarkMessage>(&mut schemas);
    add::<WantedMessage>(&mut schemas);
    add::<HeldMessage>(&mut schemas);
    add::<DriverStatusMessage>(&mut schemas);
    add::<SuccessorMessage>(&mut schemas);
    add::<GunStatusMessage>(&mut schemas);
    add::<GunAlertsMessage>(&mut schemas);
    add::<LibraryMessage>(&mut schemas);
    add::<PatientsMessage>(&mut schemas);
    add::<LinksMessage>(&mut schemas);
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Mesofleet over MQTT",
            "version": format!("{PAYLOAD_VERSION}.0.0"),
            "description": format!(
                "What drivers of treatment rooms and the server say to each other. Operations are \
                 those of a driver; the server does the opposite. Every message is QoS 1, in \
                 JSON, and at most {PAYLOAD_BYTES_MAX} bytes long. Payloads of one version never \
                 change; a reader refuses keys that it does not know."
            ),
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": named(|channel| (channel.name.to_owned(), channel_json(channel))),
        "operations": named(operation_json),
        "components": {
            "messages": named(|channel| (channel.message.to_owned(), message_json(channel))),
            "schemas": schemas,
        },
    });
    format!("{document:#}\n")
}

fn named(entry: impl Fn(&Channel) -> (String, Value)) -> Map<String, Value> {
    CHANNELS.iter().map(entry).collect()
}

/// The schema of a payload, and of everything that it refers to.
fn add<T: ToSchema>(schemas: &mut BTreeMap<String, Value>) {
    let mut found: Vec<(String, RefOr<Schema>)> = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut found);
    for (name, schema) in found {
        // A schema is made of maps, lists and texts: it always has a JSON form.
        schemas.insert(name, serde_json::to_value(schema).unwrap_or_default());
    }
}

fn channel_json(channel: &Channel) -> Value {
    let parameter = |name: &'static str| match name {
        "clinic" => "The clinic: 1 to 32 of a-z, 0-9 and -.".to_owned(),
        "driver" => "The driver of a room: 1 to 32 of a-z, 0-9 and -.".to_owned(),
        "partition" => format!(
            "0 to {}: the first two bytes, big-endian, of the SHA-256 of the stream's name, modulo \
             {PARTITION_COUNT}.",
            PARTITION_COUNT - 1
        ),
        "list" => format!(
            "0 to {}: the six highest bits of the commitments of its patients.",
            PATIENT_LIST_COUNT - 1
        ),
        "page" => format!(
            "0 to {}: a driver begins the next page when one is full.",
            LinksMessage::PAGE_COUNT_MAX - 1
        ),
        "stream" => "The serial number of a gun, or room for what belongs to none.".to_owned(),
        _ => "The serial number of a gun.".to_owned(),
    };
    let parameters: Map<String, Value> = [
        "clinic",
        "driver",
        "partition",
        "list",
        "page",
        "stream",
        "serial",
    ]
    .into_iter()
    .filter(|name| channel.address.contains(&format!("{{{name}}}")))
    .map(|name| (name.to_owned(), json!({ "description": parameter(name) })))
    .collect();
    let message = channel.message;
    json!({
        "address": format!("{PREFIX}/{}", channel.address),
        "summary": channel.summary,
        "parameters": parameters,
        "messages": { message: { "$ref": format!("#/components/messages/{message}") } },
    })
}

fn operation_json(channel: &Channel) -> (String, Value) {
    let Channel { name, message, .. } = channel;
    let action = match channel.is_from_driver {
        true => "send",
        false => "receive",
    };
    let operation = json!({
        "action": action,
        "channel": { "$ref": format!("#/channels/{name}") },
        "messages": [{ "$ref": format!("#/channels/{name}/messages/{message}") }],
        "bindings": {
            "mqtt": { "qos": 1, "retain": channel.is_retained, "bindingVersion": "0.2.0" },
        },
    });
    (format!("{action}-{name}"), operation)
}

fn message_json(channel: &Channel) -> Value {
    json!({
        "name": channel.message,
        "contentType": "application/json",
        "payload": { "$ref": format!("#/components/schemas/{}", channel.message) },
    })
}
