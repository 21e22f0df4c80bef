//! From something that goes wrong to those who are told, with the real server in between.

use std::path::Path;
use std::process::Output;

use meso_testkit::alertmanager::AlertmanagerServer;
use meso_testkit::mail::{MailSink, MailSinkOptions};
use meso_testkit::mqtt::Stranger;
use meso_tests::sandbox::{Programs, Sandbox, ServerOptions, Webhook, wait_until};
use serde_json::Value;

fn webhook(folder: &Path, hook: &Webhook) -> String {
    hook.section(folder).unwrap()
}

fn start(notify: &str) -> Sandbox {
    let options = ServerOptions {
        extra: notify.to_owned(),
        ..ServerOptions::default()
    };
    let sandbox = Sandbox::start_with(Programs::built().unwrap(), &options).unwrap();
    wait_until_ready(&sandbox);
    sandbox
}

fn get(sandbox: &Sandbox, path: &str) -> Option<String> {
    let url = format!("http://{}{path}", sandbox.server.http());
    let mut answer = ureq::get(&url).call().ok()?;
    answer.body_mut().read_to_string().ok()
}

fn json(sandbox: &Sandbox, path: &str) -> Value {
    serde_json::from_str(&get(sandbox, path).unwrap()).unwrap()
}

/// The ingest listens to the broker: what is said before is lost.
fn wait_until_ready(sandbox: &Sandbox) {
    wait_until("the server is ready", || get(sandbox, "/readyz").is_some()).unwrap();
}

/// Resolves an alert, as a person does on the command line.
fn resolve(sandbox: &Sandbox, id: &str) -> Output {
    let mut command = sandbox.programs().command("mesofleet");
    command
        .args([
            "alert", "resolve", id, "--by", "fleet-1", "--reason", "seen", "--config",
        ])
        .arg(sandbox.server.data().with_extension("toml"))
        .output()
        .unwrap()
}

/// Says on the bus what nobody understands.
fn babble(sandbox: &Sandbox, word: &str) {
    let mut stranger = Stranger::connect(sandbox.server.broker(), word).unwrap();
    let topic = "mesofleet/v1/example-clinic/room-1/status";
    stranger.publish(topic, word.as_bytes()).unwrap();
}

#[test]
fn an_alert_is_told_by_every_channel_and_so_is_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let hook = Webhook::start().unwrap();
    let alertmanager = AlertmanagerServer::start(&folder.path().join("alertmanager")).unwrap();
    let sink = MailSink::start(&folder.path().join("mail"), &MailSinkOptions::default()).unwrap();
    let channels = format!(
        "{}[[notify]]\nname = \"prometheus\"\nkind = \"alertmanager\"\ninterval_seconds = 1\n\
         url = \"{}\"\n[[notify]]\nname = \"duty\"\nkind = \"email\"\ninterval_seconds = 1\n\
         port = {}\nfrom = \"mesofleet@example.org\"\nto = [\"duty@example.org\"]\n",
        webhook(folder.path(), &hook),
        alertmanager.url(),
        sink.port(),
    );
    let sandbox = start(&channels);
    babble(&sandbox, "one");
    wait_until("the webhook is told", || !hook.taken().is_empty()).unwrap();
    let letter = hook.taken().remove(0);
    assert!(letter.is_signed);
    assert_eq!(letter.body["news"][0]["rule"], "quarantine");
    wait_until("the Alertmanager knows", || {
        alertmanager
            .alerts()
            .unwrap()
            .contains("\"alertname\":\"quarantine\"")
    })
    .unwrap();
    wait_until("a mail has come", || !sink.mails().unwrap().is_empty()).unwrap();
    let id = letter.body["news"][0]["alert"].as_str().unwrap();
    let resolved = resolve(&sandbox, id);
    assert!(resolved.status.success(), "{resolved:?}");
    wait_until("the Alertmanager takes it for over", || {
        alertmanager.alerts().unwrap().trim() == "[]"
    })
    .unwrap();
    wait_until("the webhook hears of the end", || {
        let last = hook.taken().pop().unwrap();
        last.body["news"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["is_over"] == true)
    })
    .unwrap();
    let metrics = get(&sandbox, "/metrics").unwrap();
    assert!(metrics.contains("mesofleet_letters_posted_total{channel=\"prometheus\"}"));
}

#[test]
fn a_server_that_is_killed_between_two_letters_loses_none_and_keeps_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let hook = Webhook::start().unwrap();
    hook.refuse(true);
    let mut sandbox = start(&webhook(folder.path(), &hook));
    babble(&sandbox, "one");
    wait_until("the letter is refused", || !hook.received().is_empty()).unwrap();
    let refused = hook.received().remove(0);
    sandbox.server.kill();
    hook.refuse(false);
    sandbox.server.start_again().unwrap();
    wait_until("the letter comes again", || !hook.taken().is_empty()).unwrap();
    let taken = hook.taken().remove(0);
    assert_eq!(taken.keys(), refused.keys());
    assert_eq!(taken.body["letter"], refused.body["letter"]);
    // The next thing that happens to the alert is another piece of news.
    wait_until("it is written down that it has arrived", || {
        let metrics = get(&sandbox, "/metrics").unwrap_or_default();
        metrics.contains("mesofleet_letters_posted_total")
    })
    .unwrap();
    wait_until_ready(&sandbox);
    let alert = taken.body["news"][0]["alert"].as_str().unwrap().to_owned();
    assert!(resolve(&sandbox, &alert).status.success());
    wait_until("the end is told", || hook.taken().len() > 1).unwrap();
    let all: Vec<String> = hook.taken().iter().flat_map(|it| it.keys()).collect();
    let mut different = all.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(
        different.len(),
        all.len(),
        "nothing was told twice: {all:?}"
    );
}

#[test]
fn a_channel_that_fails_is_shown_everywhere_and_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let hook = Webhook::start().unwrap();
    hook.refuse(true);
    let mut channels = webhook(folder.path(), &hook);
    channels.push_str(
        &channels
            .replace("\"hook\"", "\"second\"")
            .replace("/hook\"", "/other\""),
    );
    channels = channels.replacen(&hook.url, "http://127.0.0.1:1/secret-path", 1);
    let sandbox = start(&format!(
        "[alerts]\nchannel_failing_seconds = 10\n{channels}"
    ));
    babble(&sandbox, "one");
    wait_until("both channels fail", || {
        let overview = json(&sandbox, "/api/v1/overview");
        overview["failing_channels"].as_array().unwrap().len() == 2
    })
    .unwrap();
    let ready = json(&sandbox, "/readyz");
    assert_eq!(ready["ready"], true, "it takes work all the same");
    let troubles = ready["troubles"].to_string();
    assert!(
        troubles.contains("hook") && troubles.contains("503"),
        "{troubles}"
    );
    assert!(!troubles.contains("secret-path"), "{troubles}");
    let metrics = get(&sandbox, "/metrics").unwrap();
    assert!(
        metrics.contains("mesofleet_letters_failed_total{channel=\"second\"}"),
        "{metrics}"
    );
    wait_until("the board has an alert of it", || {
        get(&sandbox, "/api/v1/alerts")
            .unwrap()
            .contains("notifications fail")
    })
    .unwrap();
    hook.refuse(false);
    wait_until("the second is told after all", || !hook.taken().is_empty()).unwrap();
    babble(&sandbox, "two");
    let quarantined = || json(&sandbox, "/api/v1/overview")["quarantined_count"].as_u64();
    wait_until("the ingest goes on", || quarantined() == Some(2)).unwrap();
}
