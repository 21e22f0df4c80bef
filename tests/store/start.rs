//! A server whose database is away when it starts.

use meso_store::{InfluxOptions, Store, StoreError, StorePlace, inspect};
use meso_testkit::influx::{Dialect, InfluxProxy, Influxd};
use meso_tests::sandbox::{Programs, Sandbox, ServerOptions, wait_until};
use serde_json::Value;

use crate::samples::{commit_of, sample_block};

const BUCKET: &str = "mesofleet";

/// What the server answers, and whether it calls that good.
fn get(sandbox: &Sandbox, path: &str) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let url = format!("http://{}{path}", sandbox.server.http());
    let mut answer = agent.get(&url).call().unwrap();
    let body = answer.body_mut().read_to_string().unwrap();
    (
        answer.status().as_u16(),
        serde_json::from_str(&body).unwrap(),
    )
}

#[test]
fn a_server_starts_while_its_database_is_away_says_so_and_goes_on_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut influxd = Influxd::start(&folder.path().join("influxd")).unwrap();
    influxd.create_database(BUCKET).unwrap();
    let proxy = InfluxProxy::start(influxd.address(), Dialect::V1).unwrap();
    let url = proxy.url();
    let options = ServerOptions {
        extra: format!("[store]\nkind = \"influx\"\n[influx]\nurl = \"{url}\"\n"),
        ..ServerOptions::default()
    };
    let mut sandbox = Sandbox::start_with(Programs::beside_us().unwrap(), &options).unwrap();
    sandbox.server.stop().unwrap();
    influxd.kill();
    let path = sandbox.server.data().join("fleet.sqlite");
    let influx = InfluxOptions::new(&url, BUCKET, BUCKET).unwrap();
    {
        let mut store = Store::open_on_influx(&path, 1, &influx).unwrap();
        let blocks = [sample_block(1, None, 1..=5)];
        let stored = store.writer.store(&commit_of(blocks));
        assert!(matches!(stored, Err(StoreError::Influx { .. })));
    }

    sandbox.server.start_again().unwrap();
    assert!(
        sandbox.server.wait_until_it_listens().unwrap(),
        "it left: {}",
        sandbox.server.log()
    );
    wait_until("it says what it waits for", || {
        let (status, ready) = get(&sandbox, "/readyz");
        status == 503 && ready["waiting_for"].to_string().contains("took no points")
    })
    .unwrap();
    let (_, overview) = get(&sandbox, "/api/v1/overview");
    let said = overview["not_storing"].as_str().unwrap();
    assert!(said.contains(&url), "{said}");

    influxd.restart().unwrap();
    let mut ready = (0, Value::Null);
    let went_on = wait_until("it goes on", || {
        ready = get(&sandbox, "/readyz");
        ready.0 == 200
    });
    assert!(went_on.is_ok(), "{ready:?}: {}", sandbox.server.log());
    let (_, overview) = get(&sandbox, "/api/v1/overview");
    assert_eq!(overview["not_storing"], Value::Null);
    sandbox.server.stop().unwrap();
    let place = StorePlace::Influx {
        path,
        options: Box::new(influx),
    };
    let inspection = inspect(&place.read().unwrap(), |_| ()).unwrap();
    assert!(inspection.is_sound());
    assert_eq!((inspection.shot_count, inspection.leaf_count), (5, 1));
    let answer = influxd.query("SELECT counter FROM shot", BUCKET).unwrap();
    assert_eq!(answer.matches("],[").count() + 1, 5, "{answer}");
}
