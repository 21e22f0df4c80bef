//! The bodies of the interface as an OpenAPI file, from which the page's types are made.

use meso_contract::room;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(title = "Mesofleet treatment room"),
    components(schemas(
        room::DoorBody,
        room::InhibitGunBody,
        room::LiveBody,
        room::PatientBody,
        room::PatientCodeBody,
        room::QuestionnaireBody,
        room::ResumeGunBody,
        room::RoomHistoryBody,
        room::RoomLibraryBody,
        room::RoomStepBody,
        room::ScanBody,
        room::ScannedBody,
        room::SignInBody,
        room::StepRefusedBody,
        room::StepTakenBody
    ))
)]
struct Bodies;

/// All bodies as pretty JSON with a newline at its end, as `dashboards/web/room-openapi.json` holds
/// them.
///
/// # Errors
///
/// The reason why they have no JSON form.
pub fn schemas() -> Result<String, serde_json::Error> {
    Bodies::openapi().to_pretty_json().map(|json| json + "\n")
}
