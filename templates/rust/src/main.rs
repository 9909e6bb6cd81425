use fastly::http::{Method, StatusCode, header};
use fastly::kv_store::{KVStore, KVStoreError};
use fastly::{ConfigStore, Error, Request, Response, SecretStore, log::Endpoint};
use std::io::Write;

#[fastly::main]
fn main(req: Request) -> Result<Response, Error> {
    match (req.get_method(), req.get_path()) {
        (&Method::GET | &Method::HEAD, "/") => home(&req),
        (&Method::GET | &Method::HEAD, "/items") => Ok(items()),
        (&Method::PUT, "/greeting") => set_greeting(req),
        _ => Ok(text(StatusCode::NOT_FOUND, "There is nothing here.\n")),
    }
}

fn text(status: StatusCode, body: &str) -> Response {
    Response::from_status(status).with_body_text_plain(body)
}

/// Visitors are split in two once and then remembered by a cookie.
fn variant(req: &Request) -> char {
    let cookies = req.get_header_str(header::COOKIE).unwrap_or_default();
    for cookie in cookies.split(';') {
        match cookie.trim() {
            "variant=a" => return 'a',
            "variant=b" => return 'b',
            _ => (),
        }
    }
    let flags = ConfigStore::open("flags");
    let percent = flags.get("b-percent").and_then(|p| p.parse().ok()).unwrap_or(0);
    if rand::random_range(0..100) < percent { 'b' } else { 'a' }
}

fn store() -> Result<KVStore, Error> {
    KVStore::open("content")?.ok_or_else(|| Error::msg("there is no KV store 'content'"))
}

/// The greeting that is in the KV store, in the visitor's variant.
fn home(req: &Request) -> Result<Response, Error> {
    let greeting = match store()?.lookup("greeting") {
        Ok(mut found) => found.take_body().into_string(),
        Err(KVStoreError::ItemNotFound) => "Hello".to_owned(),
        Err(e) => return Err(e.into()),
    };
    let greeting = greeting.replace('&', "&amp;").replace('<', "&lt;");
    let v = variant(req);
    let color = if v == 'b' { "seagreen" } else { "royalblue" };
    let page = format!(
        "<!doctype html>
<meta charset=utf-8>
<title>Edge app</title>
<style>
  body {{ font: 1.2rem/1.5 system-ui; max-width: 36rem; margin: 4rem auto; padding: 1rem;
         border-top: .5rem solid {color} }}
</style>
<h1>{greeting}</h1>
<p>You see variant {v}.
<p><a href=/items>Items from the origin</a>
"
    );
    let cookie = format!("variant={v}; Path=/; Max-Age=2592000; SameSite=Lax; HttpOnly");
    Ok(Response::from_body(page)
        .with_content_type(fastly::mime::TEXT_HTML_UTF_8)
        .with_header(header::CACHE_CONTROL, "private, no-store")
        .with_header(header::SET_COOKIE, cookie))
}

/// What the origin says, marked as having come this way.
fn items() -> Response {
    match Request::get("http://origin/items.json").send("origin") {
        Ok(answer) => answer.with_header("x-served-by", "edge"),
        Err(e) => {
            log(&format!("origin failed: {e}"));
            text(StatusCode::BAD_GATEWAY, "The origin does not answer.\n")
        }
    }
}

/// Does the request carry the admin's token?
fn allowed(req: &Request) -> bool {
    let given = req.get_header_str(header::AUTHORIZATION).and_then(|h| h.strip_prefix("Bearer "));
    let token = SecretStore::open("secrets").ok().and_then(|s| s.get("admin-token"));
    match (given, token.map(|t| t.plaintext())) {
        (Some(given), Some(token)) if !token.is_empty() => same(given.as_bytes(), &token),
        _ => false,
    }
}

/// Compare in a time that does not tell where two texts differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}

/// For those who know the token.
fn set_greeting(mut req: Request) -> Result<Response, Error> {
    if !allowed(&req) {
        return Ok(text(StatusCode::UNAUTHORIZED, "Not allowed.\n")
            .with_header(header::WWW_AUTHENTICATE, "Bearer"));
    }
    let greeting = req.take_body_str();
    if greeting.is_empty() || greeting.len() > 1000 {
        return Ok(text(StatusCode::BAD_REQUEST, "A greeting has 1 to 1000 bytes.\n"));
    }
    let len = greeting.len();
    store()?.insert("greeting", greeting)?;
    log(&format!("greeting changed, {len} bytes"));
    Ok(text(StatusCode::OK, "Stored.\n"))
}

fn log(line: &str) {
    let _ = writeln!(Endpoint::from_name("app"), "{line}");
}
