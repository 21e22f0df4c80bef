//! What the pages of server and room are served with.

/// Headers of every answer, beside the content security policy of the page: a browser takes nothing
/// for what it does not say it is, shows it in no frame, names it to nobody and shares it with no
/// other page.
pub const HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// The type of a file by its ending; anything unknown is only bytes, which no browser runs.
pub fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nobody_knows_is_only_bytes() {
        assert_eq!(
            content_type("assets/room-1.js"),
            "text/javascript; charset=utf-8"
        );
        assert_eq!(content_type("assets/room.exe"), "application/octet-stream");
    }
}
