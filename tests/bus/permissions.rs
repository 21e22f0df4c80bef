//! A driver writes under its own name only and reads its own clinic only; nobody else does
//! anything.

use meso_bus::{Access, ClientOptions, Message, Publisher};
use meso_contract::permissions::{INGEST_USER, driver_user};
use meso_contract::topics;
use meso_domain::Stream;
use meso_units::GunSerial;

use crate::clinic::{Guarded, Room, in_time, next_delivery, room, rooms, why_down, write_secret};

fn user((clinic, driver): &Room) -> String {
    driver_user(clinic, driver)
}

fn blocks((clinic, driver): &Room) -> String {
    let gun = GunSerial::parse("GUN-0001").unwrap();
    topics::blocks(clinic, driver, &Stream::Gun(gun))
}

/// What the ingest hears of blocks.
fn all_blocks() -> Vec<String> {
    topics::partitions().map(topics::blocks_filter).collect()
}

/// Publishes as one room what belongs to another, and sees it refused by name and heard by nobody.
async fn assert_refused(topic: String) {
    let guarded = Guarded::start();
    let [own, _, _] = rooms();
    let mut ingest = guarded.consumer(INGEST_USER, all_blocks()).await;
    let publisher = guarded.publisher(&user(&own));
    in_time(publisher.connected()).await.unwrap();
    in_time(publisher.publish(Message::new(topic, "forged")))
        .await
        .unwrap();
    let reason = why_down(&publisher).await;
    assert!(reason.contains("does not let us publish"), "{reason}");
    in_time(publisher.connected()).await.unwrap();
    in_time(publisher.publish(Message::new(blocks(&own), "own")))
        .await
        .unwrap();
    assert_eq!(next_delivery(&mut ingest).await.payload, b"own");
}

#[tokio::test]
async fn a_driver_cannot_publish_as_another_of_its_clinic() {
    assert_refused(blocks(&room("riverside", "room-2"))).await;
}

#[tokio::test]
async fn a_driver_cannot_publish_in_another_clinic_not_even_under_its_own_name() {
    assert_refused(blocks(&room("hillside", "room-1"))).await;
}

#[tokio::test]
async fn a_driver_cannot_say_that_its_own_blocks_are_stored() {
    let (clinic, driver) = room("riverside", "room-1");
    assert_refused(topics::watermark(&clinic, &driver, &Stream::Room)).await;
}

#[tokio::test]
async fn a_driver_reads_what_is_meant_for_its_own_clinic_and_nothing_else() {
    let guarded = Guarded::start();
    let [own, _, other] = rooms();
    let everything = vec!["#".to_owned(), "mesofleet/v1/#".to_owned()];
    let mut consumer = guarded.consumer(&user(&own), everything).await;
    let ingest = guarded.publisher(INGEST_USER);
    in_time(ingest.connected()).await.unwrap();
    let foreign = [
        topics::library(&other.0),
        topics::watermark(&other.0, &other.1, &Stream::Room),
    ];
    for topic in foreign.into_iter().chain([topics::library(&own.0)]) {
        in_time(ingest.publish(Message::new(topic, "news")))
            .await
            .unwrap();
    }
    // Subscribed to twice, it may come twice; what was published before it would come before it.
    let heard = next_delivery(&mut consumer).await;
    assert_eq!(heard.topic, topics::library(&own.0));
    assert!(!heard.retained);
}

#[tokio::test]
async fn the_ingest_hears_every_driver_and_answers_it() {
    let guarded = Guarded::start();
    let [own, _, other] = rooms();
    let mut ingest = guarded.consumer(INGEST_USER, all_blocks()).await;
    for room in [&own, &other] {
        let publisher = guarded.publisher(&user(room));
        in_time(publisher.connected()).await.unwrap();
        in_time(publisher.publish(Message::new(blocks(room), "shots")))
            .await
            .unwrap();
        assert_eq!(next_delivery(&mut ingest).await.topic, blocks(room));
        publisher.close().await;
    }
    let filter = topics::watermark_filter(&own.0, &own.1);
    let mut driver = guarded.consumer(&user(&own), vec![filter]).await;
    let publisher = guarded.publisher(INGEST_USER);
    in_time(publisher.connected()).await.unwrap();
    let topic = topics::watermark(&own.0, &own.1, &Stream::Room);
    in_time(publisher.publish(Message::retained(topic.clone(), "7")))
        .await
        .unwrap();
    assert_eq!(next_delivery(&mut driver).await.topic, topic);
}

#[tokio::test]
async fn a_driver_cannot_tell_of_the_links_of_another_of_its_clinic() {
    let (clinic, driver) = room("riverside", "room-2");
    assert_refused(topics::links(&clinic, &driver, 0)).await;
}

#[tokio::test]
async fn the_links_of_a_driver_reach_those_of_its_clinic_alone() {
    let guarded = Guarded::start();
    let [own, _, other] = rooms();
    let (here, there) = (topics::links_filter(&own.0), topics::links_filter(&other.0));
    let mut consumer = guarded.consumer(&user(&own), vec![here, there]).await;
    for room in [&other, &own] {
        let publisher = guarded.publisher(&user(room));
        in_time(publisher.connected()).await.unwrap();
        let topic = topics::links(&room.0, &room.1, 0);
        in_time(publisher.publish(Message::retained(topic, "sealed")))
            .await
            .unwrap();
        publisher.close().await;
    }
    let heard = next_delivery(&mut consumer).await;
    assert_eq!(heard.topic, topics::links(&own.0, &own.1, 0));
}

#[tokio::test]
async fn nobody_comes_in_without_a_name_or_with_the_wrong_password() {
    let guarded = Guarded::start();
    let [own, _, _] = rooms();
    write_secret(&guarded.file("wrong.password"), "guess");
    let nobody = Access {
        login: None,
        ..guarded.access(&user(&own))
    };
    let guesser = Access {
        login: Some((user(&own), guarded.file("wrong.password"))),
        ..guarded.access(&user(&own))
    };
    for access in [nobody, guesser] {
        let options = ClientOptions::new("stranger", guarded.endpoint(&access));
        let publisher = Publisher::start(options, None, None);
        let reason = why_down(&publisher).await;
        assert!(reason.contains("NotAuthorized"), "{reason}");
    }
}
