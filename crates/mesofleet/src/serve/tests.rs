//! The whole service with its own broker, fed with blocks made by hand.

use std::time::Duration;

use meso_bus::{ClientOptions, Consumer, ConsumerEvent, Message, Publisher};
use meso_contract::http::{LiveEvent, ReportRequest};
use meso_contract::{BlockMessage, GunAlertsMessage, WatermarkMessage, topics};
use meso_domain::{RecordBlock, Stream};
use meso_web::Backend as _;

use super::*;
use crate::ingest::TimeZones;
use crate::samples::*;

/// Longer than anything here takes; reached only when something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

fn options(folder: &std::path::Path) -> ServeOptions {
    let any = "127.0.0.1:0".parse().unwrap();
    ServeOptions {
        data_dir: folder.to_owned(),
        http: any,
        broker: BrokerChoice::Embedded(any),
        ledger_origin: "example.org/log".to_owned(),
        clinics: vec![sample_clinic()],
        time_zones: TimeZones::default(),
        library: None,
        demo: true,
        influx: None,
        notify: Notify::default(),
    }
}

/// A driver's two connections.
struct PaperLink {
    publisher: Publisher,
    watermarks: Consumer,
}

impl PaperLink {
    async fn connect(server: &Server) -> PaperLink {
        let client = |id| ClientOptions::new(id, server.broker_addr().unwrap());
        let filter = topics::watermark_filter(&sample_clinic(), &sample_driver());
        let mut watermarks = Consumer::start(client("room-1-in"), vec![filter]);
        let ready = tokio::time::timeout(PATIENCE, watermarks.next())
            .await
            .unwrap();
        assert!(matches!(ready, Some(ConsumerEvent::Ready { .. })));
        let publisher = Publisher::start(client("room-1-out"), None, None);
        publisher.connected().await.unwrap();
        PaperLink {
            publisher,
            watermarks,
        }
    }

    async fn send(&self, block: &RecordBlock) {
        let header = block.header();
        let topic = topics::blocks(&header.clinic, &header.place.driver, &header.place.stream);
        let message = Message::new(topic, BlockMessage::encode(block).unwrap());
        self.publisher.publish(message).await.unwrap();
    }

    /// Waits until the watermark of a stream reaches a number.
    async fn settled(&mut self, stream: &Stream, number: u64) -> WatermarkMessage {
        let topic = topics::watermark(&sample_clinic(), &sample_driver(), stream);
        loop {
            let event = tokio::time::timeout(PATIENCE, self.watermarks.next()).await;
            let Some(ConsumerEvent::Message(delivery)) = event.expect("no watermark came") else {
                continue;
            };
            self.watermarks.acknowledge(delivery.ticket);
            let watermark = WatermarkMessage::decode(&delivery.payload).unwrap();
            if delivery.topic == topic && watermark.settled_to >= number {
                return watermark;
            }
        }
    }
}

/// Waits until the ingest listens to the broker: what is published before is lost.
async fn ready(server: &Server) {
    let mut there = server.backend().broker_is_there.clone();
    let waited = there.wait_for(|there| *there);
    tokio::time::timeout(PATIENCE, waited)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_treatment_goes_from_the_broker_to_a_report_that_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(options(folder.path())).await.unwrap();
    ready(&server).await;
    let mut events = server.events();
    let mut link = PaperLink::connect(&server).await;
    for block in sample_treatment() {
        link.send(&block).await;
    }
    link.settled(&Stream::Gun(sample_gun()), 3).await;
    link.settled(&Stream::Room, 3).await;
    let server = tokio::task::spawn_blocking(move || {
        assert!(server.is_settled());
        let shots = server.stored_shots(&sample_gun(), EPOCH).unwrap();
        assert_eq!(shots.len(), 6);
        assert_eq!(server.alerts().unwrap().len(), 1);
        assert_eq!(server.duplicate_shot_count(), 0);
        assert_eq!(server.overview().open_hard_alert_count, 1);
        let bundle = server.export_report(&ReportRequest::default()).unwrap();
        let verdict = meso_report::verify(&bundle, Some(server.log_key())).unwrap();
        assert!(verdict.is_ok(), "{:?}", verdict.findings);
        server
    })
    .await
    .unwrap();
    let mut live_shots = 0;
    while let Ok(event) = events.try_recv() {
        if let LiveEvent::Shots { shots } = event {
            live_shots += shots.len();
        }
    }
    assert_eq!(live_shots, 6);
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_service_says_its_watermarks_again_and_takes_repetitions() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = sample_treatment();
    let first = Server::start(options(folder.path())).await.unwrap();
    ready(&first).await;
    let mut link = PaperLink::connect(&first).await;
    for block in &blocks[..3] {
        link.send(block).await;
    }
    let before = link.settled(&Stream::Gun(sample_gun()), 1).await;
    drop(link);
    first.shutdown().await.unwrap();

    let second = Server::start(options(folder.path())).await.unwrap();
    ready(&second).await;
    let mut link = PaperLink::connect(&second).await;
    let again = link.settled(&Stream::Gun(sample_gun()), 1).await;
    assert_eq!(again.store_incarnation, before.store_incarnation);
    assert_ne!(again.ingest_incarnation, before.ingest_incarnation);
    for block in &blocks {
        link.send(block).await;
    }
    link.settled(&Stream::Gun(sample_gun()), 3).await;
    link.settled(&Stream::Room, 3).await;
    let totals = second
        .backend()
        .readers
        .with(|reader| reader.totals())
        .unwrap();
    assert_eq!((totals.shot_count, totals.shots_again_count), (6, 0));
    assert_eq!(totals.blocks_again_count, 3);
    second.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_from_a_backup_says_so_and_keeps_what_was_signed_since() {
    let folder = tempfile::tempdir().unwrap();
    let (store, backup) = (
        folder.path().join("fleet.sqlite"),
        folder.path().join("copy"),
    );
    let blocks = sample_treatment();
    let send = async |until: usize| {
        let server = Server::start(options(folder.path())).await.unwrap();
        ready(&server).await;
        let mut link = PaperLink::connect(&server).await;
        for block in &blocks[..until] {
            link.send(block).await;
        }
        let number = if until < blocks.len() { 1 } else { 3 };
        link.settled(&Stream::Gun(sample_gun()), number).await;
        server
    };
    let set_back = |server: &Server| {
        let alerts = server.alerts().unwrap();
        let rules = alerts.iter().map(|alert| alert.rule.as_str());
        rules.filter(|rule| *rule == "ledger set back").count()
    };
    send(3).await.shutdown().await.unwrap();
    std::fs::copy(&store, &backup).unwrap();
    let newer = send(blocks.len()).await;
    assert_eq!(set_back(&newer), 0, "a restart is no such thing");
    newer.shutdown().await.unwrap();
    let signed = std::fs::read_to_string(folder.path().join("ledger.checkpoint")).unwrap();
    std::fs::rename(&backup, &store).unwrap();
    let older = send(blocks.len()).await;
    assert_eq!(set_back(&older), 1);
    let entries = signed.lines().nth(1).unwrap();
    let aside = format!("ledger-set-back-{entries}.checkpoint");
    let aside = std::fs::read_to_string(folder.path().join(aside)).unwrap();
    assert_eq!(aside, signed, "it can be held against the ledger");
    older.shutdown().await.unwrap();
    // As where another program had let the older copy outgrow what was signed, and told nobody.
    std::fs::write(folder.path().join("ledger.checkpoint"), signed).unwrap();
    let outgrown = send(blocks.len()).await;
    let alerts = outgrown.alerts().unwrap();
    let told = alerts.iter().find(|alert| alert.rule == "ledger set back");
    assert_eq!(told.map(|alert| alert.shot_count), Some(2));
    outgrown.shutdown().await.unwrap();
    let again = send(blocks.len()).await;
    assert_eq!(set_back(&again), 1, "it is told once");
    again.shutdown().await.unwrap();
}

/// Listens until the list of the sample gun says what is wanted.
async fn heard(server: &Server, client: &str, wanted: impl Fn(&GunAlertsMessage) -> bool) {
    let options = ClientOptions::new(client, server.broker_addr().unwrap());
    let filter = topics::alerts_filter(&sample_clinic());
    let mut lists = Consumer::start(options, vec![filter]);
    loop {
        let event = tokio::time::timeout(PATIENCE, lists.next()).await;
        let Some(ConsumerEvent::Message(delivery)) = event.expect("no list came") else {
            continue;
        };
        lists.acknowledge(delivery.ticket);
        assert_eq!(
            delivery.topic,
            topics::alerts(&sample_clinic(), &sample_gun())
        );
        if wanted(&GunAlertsMessage::decode(&delivery.payload).unwrap()) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_gun_is_kept_at_the_broker_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start(options(folder.path())).await.unwrap();
    ready(&first).await;
    let mut link = PaperLink::connect(&first).await;
    for block in sample_treatment() {
        link.send(&block).await;
    }
    link.settled(&Stream::Room, 3).await;
    let latched = |list: &GunAlertsMessage| {
        let alert = list.alerts.first();
        alert.is_some_and(|it| it.severity == "hard" && it.state == "latched")
    };
    heard(&first, "ops-1", latched).await;
    drop(link);
    first.shutdown().await.unwrap();
    // The broker of its own has forgotten everything.
    let second = Server::start(options(folder.path())).await.unwrap();
    ready(&second).await;
    heard(&second, "ops-2", latched).await;
    let by = meso_units::OperatorId::parse("fleet-1").unwrap();
    let second = tokio::task::spawn_blocking(move || {
        let id = second.alerts().unwrap().remove(0).id;
        let deed = meso_alerts::Deed::Acknowledge { by };
        second.backend().handle_alert(&id, deed).unwrap();
        second
    })
    .await
    .unwrap();
    heard(&second, "ops-3", |list| list.alerts.is_empty()).await;
    second.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_on_the_broker_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(options(folder.path())).await.unwrap();
    ready(&server).await;
    let mut link = PaperLink::connect(&server).await;
    let stream = Stream::Gun(sample_gun());
    let topic = topics::blocks(&sample_clinic(), &sample_driver(), &stream);
    for poison in [&b"\xff\xfe"[..], b"{}", b"[[[[[[[["] {
        let message = Message::new(topic.clone(), poison);
        link.publisher.publish(message).await.unwrap();
    }
    link.send(&PaperDriver::new().run(1, 5, None)).await;
    link.settled(&stream, 1).await;
    let overview = server.overview();
    assert_eq!(overview.quarantined_count, 3);
    assert_eq!(server.stored_shots(&sample_gun(), EPOCH).unwrap().len(), 5);
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_answered_from_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(options(folder.path())).await.unwrap();
    let importer = server.importer();
    let server = tokio::task::spawn_blocking(move || {
        importer.import(sample_treatment()).unwrap();
        let backend = server.backend();
        let page = |after| meso_web::PageRequest { after, limit: 4 };
        let first = backend
            .session_shots(sample_session(), &page(None))
            .unwrap();
        let second = backend
            .session_shots(sample_session(), &page(first.next))
            .unwrap();
        assert_eq!((first.items.len(), second.items.len()), (4, 2));
        assert_eq!(second.next, None);
        let session = backend.session(sample_session()).unwrap();
        assert_eq!((session.state.as_str(), session.hard_count), ("sealed", 1));
        assert_eq!(backend.gun(&sample_gun()).unwrap().shot_count, 6);
        assert_eq!(backend.days(90).unwrap().len(), 90);
        let wrong = backend.sessions(&page(Some("x".to_owned())));
        assert!(matches!(wrong, Err(meso_web::BackendError::Invalid { .. })));
        server
    })
    .await
    .unwrap();
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_of_a_part_verifies_and_an_empty_selection_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(options(folder.path())).await.unwrap();
    let importer = server.importer();
    let server = tokio::task::spawn_blocking(move || {
        let mut blocks = sample_treatment();
        let mut other_room = PaperDriver::new();
        other_room.incarnation = meso_units::JournalIncarnation(0xdef);
        // The second copy of shot 6 comes from another journal; the first one is the stored one.
        blocks.push(other_room.run(6, 9, None));
        importer.import(blocks).unwrap();
        let by_time = ReportRequest {
            from_ms: Some(at(2).unix_ms()),
            to_ms: Some(at(5).unix_ms()),
            ..ReportRequest::default()
        };
        let by_gun = ReportRequest {
            gun: Some(sample_gun().to_string()),
            ..ReportRequest::default()
        };
        let by_session = ReportRequest {
            session: Some(sample_session().to_string()),
            ..ReportRequest::default()
        };
        for request in [ReportRequest::default(), by_time, by_gun, by_session] {
            let bundle = server.export_report(&request).unwrap();
            let verdict = meso_report::verify(&bundle, Some(server.log_key())).unwrap();
            assert!(verdict.is_ok(), "{request:?}: {:?}", verdict.findings);
        }
        let nobody = ReportRequest {
            session: Some("00".repeat(16)),
            ..ReportRequest::default()
        };
        let refused = server.backend().export_report(&nobody);
        assert!(matches!(
            refused,
            Err(meso_web::BackendError::NotFound { .. })
        ));
        server
    })
    .await
    .unwrap();
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_silences_an_alert_and_then_says_that_they_have_seen_it_by_command() {
    use crate::alert::{AckArguments, AlertCommand, SilenceArguments, Who, run};

    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(options(folder.path())).await.unwrap();
    ready(&server).await;
    let mut link = PaperLink::connect(&server).await;
    for block in sample_treatment() {
        link.send(&block).await;
    }
    link.settled(&Stream::Gun(sample_gun()), 3).await;
    link.settled(&Stream::Room, 3).await;
    let config = folder.path().join("server.toml");
    let text = include_str!("../../../../config/server.toml")
        .replace("127.0.0.1:8080", &server.http_addr().to_string());
    std::fs::write(&config, text).unwrap();
    let server = tokio::task::spawn_blocking(move || {
        let before = server.alerts().unwrap().remove(0);
        assert_eq!(
            before.state, "latched",
            "the session is over, nobody has seen it"
        );
        let who = || Who {
            id: meso_alerts::AlertId::parse(&before.id).unwrap(),
            config: config.clone(),
            by: "fleet-1".to_owned(),
            json: true,
        };
        let silence = |minutes| {
            run(&AlertCommand::Silence(SilenceArguments {
                who: who(),
                minutes,
                reason: "the head is being changed".to_owned(),
            }))
        };
        silence(30).unwrap();
        assert!(server.alerts().unwrap()[0].silenced_until_ms.is_some());
        let refused = silence(100_000).unwrap_err().to_string();
        assert!(refused.contains("is not allowed"), "{refused}");
        run(&AlertCommand::Ack(AckArguments { who: who() })).unwrap();
        let after = server.alerts().unwrap().remove(0);
        assert_eq!(after.state, "resolved");
        assert_eq!(after.acknowledged_by.as_deref(), Some("fleet-1"));
        let again = run(&AlertCommand::Ack(AckArguments { who: who() })).unwrap_err();
        assert!(again.to_string().contains("resolved"), "{again}");
        server
    })
    .await
    .unwrap();
    server.shutdown().await.unwrap();
}
