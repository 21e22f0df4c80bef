//! Publisher, consumer and embedded broker together.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail loudly"
)]

use std::net::SocketAddr;
use std::time::Duration;

use meso_bus::{
    Broker, BusError, ClientOptions, ConnectionState, Consumer, ConsumerEvent, Delivery, Message,
    Publisher,
};
use meso_contract::topics::PAYLOAD_BYTES_MAX;

/// Far above anything that happens here; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

async fn start_broker() -> Broker {
    Broker::start(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap()
}

async fn start_publisher(broker: &Broker, last_will: Option<Message>) -> Publisher {
    let options = ClientOptions::new("sender", broker.address());
    let publisher = Publisher::start(options, last_will, None);
    in_time(publisher.connected()).await.unwrap();
    publisher
}

async fn start_consumer(broker: &Broker, filter: &str) -> Consumer {
    let options = ClientOptions::new("receiver", broker.address());
    let mut consumer = Consumer::start(options, vec![filter.to_owned()]);
    loop {
        if let ConsumerEvent::Ready { .. } = next(&mut consumer).await {
            return consumer;
        }
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("took far too long")
}

async fn next(consumer: &mut Consumer) -> ConsumerEvent {
    in_time(consumer.next()).await.unwrap()
}

async fn next_delivery(consumer: &mut Consumer) -> Delivery {
    loop {
        if let ConsumerEvent::Message(delivery) = next(consumer).await {
            return delivery;
        }
    }
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_again_and_what_is_does_not() {
    let broker = start_broker().await;
    let mut consumer = start_consumer(&broker, "a/+").await;
    let publisher = start_publisher(&broker, None).await;
    for text in ["one", "two", "three"] {
        in_time(publisher.publish(Message::new("a/b", text)))
            .await
            .unwrap();
    }
    let first = next_delivery(&mut consumer).await;
    assert_eq!(
        (first.topic.as_str(), first.payload.as_slice()),
        ("a/b", b"one".as_slice())
    );
    next_delivery(&mut consumer).await;
    consumer.acknowledge(first.ticket);
    consumer.close().await;

    in_time(publisher.publish(Message::new("a/b", "four")))
        .await
        .unwrap();
    let mut consumer = start_consumer_again(&broker);
    let mut again = Vec::new();
    while again.len() < 3 {
        let delivery = next_delivery(&mut consumer).await;
        again.push(String::from_utf8(delivery.payload).unwrap());
    }
    again.sort();
    assert_eq!(again, ["four", "three", "two"]);
}

/// Connects under the same id without waiting for the subscription, so that nothing is skipped.
fn start_consumer_again(broker: &Broker) -> Consumer {
    let options = ClientOptions::new("receiver", broker.address());
    Consumer::start(options, vec!["a/+".to_owned()])
}

#[tokio::test]
async fn the_last_will_speaks_after_a_cut_and_not_after_a_farewell() {
    let broker = start_broker().await;
    let mut consumer = start_consumer(&broker, "status/#").await;
    let will = || Some(Message::new("status/will", "gone"));

    let publisher = start_publisher(&broker, will()).await;
    publisher.close().await;
    let publisher = start_publisher(&broker, None).await;
    in_time(publisher.publish(Message::new("status/marker", "")))
        .await
        .unwrap();
    assert_eq!(next_delivery(&mut consumer).await.topic, "status/marker");
    publisher.close().await;

    let publisher = start_publisher(&broker, will()).await;
    drop(publisher);
    assert_eq!(next_delivery(&mut consumer).await.topic, "status/will");
}

#[tokio::test]
async fn the_birth_message_is_the_first_over_every_connection() {
    let broker = start_broker().await;
    let mut consumer = start_consumer(&broker, "status/#").await;
    let options = ClientOptions::new("sender", broker.address());
    let birth = Some(Message::retained("status/birth", "here"));
    let publisher = Publisher::start(options, None, birth);
    in_time(publisher.connected()).await.unwrap();
    in_time(publisher.publish(Message::new("status/next", "")))
        .await
        .unwrap();
    assert_eq!(next_delivery(&mut consumer).await.topic, "status/birth");
    assert_eq!(next_delivery(&mut consumer).await.topic, "status/next");
}

#[tokio::test]
async fn a_broker_that_comes_back_is_found_again_over_a_new_connection() {
    let broker = start_broker().await;
    let address = broker.address();
    let publisher = start_publisher(&broker, None).await;
    let mut state = publisher.state();
    broker.shutdown().await;
    in_time(state.wait_for(|state| matches!(state, ConnectionState::Down { reason: Some(_) })))
        .await
        .unwrap();
    let refused = publisher.publish(Message::new("a/b", "lost")).await;
    assert!(matches!(refused, Err(BusError::NotConnected)));

    let broker = in_time(restart(address)).await;
    let is_new =
        |state: &ConnectionState| matches!(state, ConnectionState::Up { epoch } if *epoch > 1);
    in_time(state.wait_for(is_new)).await.unwrap();
    let mut consumer = start_consumer(&broker, "a/+").await;
    in_time(publisher.publish(Message::new("a/b", "kept")))
        .await
        .unwrap();
    assert_eq!(next_delivery(&mut consumer).await.payload, b"kept");
}

/// The port may be held for a moment by connections that are closing.
async fn restart(address: SocketAddr) -> Broker {
    loop {
        match Broker::start(address).await {
            Ok(broker) => return broker,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn a_full_block_passes_and_a_larger_payload_is_refused_by_name() {
    let broker = start_broker().await;
    let mut consumer = start_consumer(&broker, "a/+").await;
    let publisher = start_publisher(&broker, None).await;
    let largest = vec![b'x'; PAYLOAD_BYTES_MAX];
    in_time(publisher.publish(Message::new("a/b", largest.clone())))
        .await
        .unwrap();
    assert!(next_delivery(&mut consumer).await.payload == largest);
    let refused = publisher
        .publish(Message::new("a/b", vec![0; PAYLOAD_BYTES_MAX + 1]))
        .await;
    assert!(matches!(refused, Err(BusError::TooLarge { .. })));
    let refused = publisher.publish(Message::new("a/#", "")).await;
    assert!(matches!(refused, Err(BusError::Topic { .. })));
}

#[tokio::test]
async fn a_retained_message_waits_for_its_subscriber() {
    let broker = start_broker().await;
    let publisher = start_publisher(&broker, None).await;
    in_time(publisher.publish(Message::retained("watermark/a", "7")))
        .await
        .unwrap();
    // The second connection of this client begins when the broker has handled all of the first.
    publisher.close().await;
    let mut consumer = start_consumer(&broker, "watermark/+").await;
    let delivery = next_delivery(&mut consumer).await;
    assert!(delivery.retained);
    assert_eq!(delivery.payload, b"7");
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let broker = start_broker().await;
    let error = Broker::start(broker.address()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&broker.address().to_string()), "{text}");
}
