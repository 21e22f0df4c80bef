//! Who asks, under which name, and what browsers are told.

use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, HeaderName, ORIGIN,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use meso_contract::pages;
use meso_contract::room::PersonBody;

use crate::sign_ins::Standing;
use crate::{Room, StepFailure};

/// The cookie of a browser in which somebody signed in.
pub(crate) const COOKIE_NAME: &str = "mesofleet_room";

/// What the page may load: its own files only, nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A program that can read the driver's data folder.
    Program,
    /// A person at the screen.
    Person(Standing),
    /// Nobody that is known.
    Nobody,
}

impl Caller {
    /// Whoever may look; a locked screen may.
    pub(crate) fn may_look(&self) -> Result<(), StepFailure> {
        match self {
            Caller::Nobody => Err(nobody()),
            Caller::Program | Caller::Person(_) => Ok(()),
        }
    }

    /// Whoever may take a step in the name of these; a person only in their own.
    pub(crate) fn may_act_as(&self, names: &[&str]) -> Result<(), StepFailure> {
        match self {
            Caller::Program => Ok(()),
            Caller::Person(Standing::Open(person) | Standing::Fresh(person)) => {
                is_own(person, names)
            }
            Caller::Person(Standing::Locked(person)) => Err(StepFailure::forbidden(
                "screen_locked",
                format!(
                    "the screen is locked: {} or somebody else signs in",
                    person.name
                ),
            )),
            Caller::Nobody => Err(nobody()),
        }
    }

    /// As [`Caller::may_act_as`], just after a PIN or badge.
    pub(crate) fn may_answer_for(&self, name: &str) -> Result<(), StepFailure> {
        self.may_act_as(&[name])?;
        match self {
            Caller::Person(Standing::Open(_)) => Err(StepFailure::forbidden(
                "pin_needed",
                "this wants your PIN or badge again: sign in once more and repeat it",
            )),
            _ => Ok(()),
        }
    }

    /// The person at the screen.
    pub(crate) const fn person(&self) -> Option<&PersonBody> {
        match self {
            Caller::Person(
                Standing::Locked(person) | Standing::Open(person) | Standing::Fresh(person),
            ) => Some(person),
            Caller::Program | Caller::Nobody => None,
        }
    }
}

fn is_own(person: &PersonBody, names: &[&str]) -> Result<(), StepFailure> {
    match names.iter().find(|name| **name != person.id) {
        None => Ok(()),
        Some(other) => Err(StepFailure::forbidden(
            "another_person",
            format!("{} is signed in: {other} signs in to act", person.name),
        )),
    }
}

fn nobody() -> StepFailure {
    StepFailure::NotAllowed {
        status: StatusCode::UNAUTHORIZED,
        code: "token_missing",
        message: "sign in, or send the token of room.json in the driver's data folder".to_owned(),
    }
}

/// Refuses foreign hosts and origins, finds out who asks, and adds the headers of every answer.
pub(crate) async fn guard(State(room): State<Room>, mut request: Request, next: Next) -> Response {
    let checked = check(&room, request.headers());
    let mut response = match checked {
        Ok(()) => {
            let caller = caller(&room, request.headers());
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(failure) => failure.into_response(),
    };
    let headers = response.headers_mut();
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    for (name, value) in pages::HEADERS {
        let name = HeaderName::from_static(name);
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A page elsewhere can point a name of its own at this computer (DNS rebinding), or send a form
/// here. The one names a foreign host, the other a foreign origin. The port counts, too: another
/// page of this computer is another page.
fn check(room: &Room, headers: &HeaderMap) -> Result<(), StepFailure> {
    let port = room.shared.address.port();
    let own = ["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{port}"));
    let is_own = |host: &str| own.iter().any(|own| own.eq_ignore_ascii_case(host));
    let host = text(headers, &HOST).unwrap_or_default();
    if !is_own(host) {
        return Err(StepFailure::forbidden(
            "host_not_allowed",
            format!("ask for http://{}/ by this name", own[1]),
        ));
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    match origin.strip_prefix("http://") {
        Some(name) if name.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(StepFailure::forbidden(
            "origin_not_allowed",
            "a page of another place asks: open the room's own page",
        )),
    }
}

fn caller(room: &Room, headers: &HeaderMap) -> Caller {
    if room.shared.token.is_in(text(headers, &AUTHORIZATION)) {
        return Caller::Program;
    }
    let standing = key_of(headers).and_then(|key| room.sign_ins().standing(room.now_ms(), key));
    standing.map_or(Caller::Nobody, Caller::Person)
}

/// The cookie that a browser sends back.
pub(crate) fn key_of(headers: &HeaderMap) -> Option<&str> {
    let cookies = text(headers, &COOKIE)?.split(';');
    let mut pairs = cookies.filter_map(|cookie| cookie.trim().split_once('='));
    pairs
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| value)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
