//! The description of the interface, compared with its committed copy.

use std::path::Path;

use crate::Site;

#[test]
fn the_committed_description_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboards/web/openapi.json");
    let text = meso_web::openapi_json().unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "dashboards/web/openapi.json is not current: UPDATE_GOLDEN=1 cargo test -p meso-web, \
         then cargo xtask web"
    );
}

#[tokio::test]
async fn the_description_is_served_and_holds_every_event() {
    let json = Site::start().get("/api/v1/openapi.json").await.json();
    assert_eq!(json["info"]["version"], "1");
    for schema in [
        "LiveEvent",
        "GunView",
        "ShotView",
        "FindingBody",
        "ErrorView",
        "LimitsView",
    ] {
        assert!(
            json["components"]["schemas"].get(schema).is_some(),
            "{schema}"
        );
    }
    assert!(json["paths"].as_object().unwrap().len() >= 16);
}
