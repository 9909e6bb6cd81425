// SPDX-License-Identifier: Apache-2.0
//! What apps made with the Rust SDK do, by path. Backends: `origin` (the guest c/origin), `refused`.
use fastly::cache::simple;
use fastly::http::request::{PollResult, select};
use fastly::http::{Method, StatusCode};
use fastly::kv_store::{InsertMode, KVStore};
use fastly::{Body, ConfigStore, Error, Request, Response, SecretStore};
use std::io::{Read, Write};
use std::time::Duration;

fn main() -> Result<(), Error> {
    let req = Request::from_client();
    let resp = match req.get_path() {
        "/proxy" => proxy(req)?,
        "/kv" => kv()?,
        "/kv-count" => kv_count()?,
        "/select" => select_fastest()?,
        "/poll" => poll()?,
        "/upload" => upload()?,
        "/cache" => cache(&req)?,
        "/stores" => stores(),
        "/error" => send_error(),
        "/metadata" => metadata(&req),
        "/stream" => return stream(),
        "/panic" => panic!("on purpose"),
        _ => Response::from_status(StatusCode::NOT_FOUND),
    };
    resp.send_to_client();
    Ok(())
}

fn get(path: &str) -> Request {
    Request::get(format!("http://app.example{path}"))
}

/// The client's request as it is, body and all.
fn proxy(mut req: Request) -> Result<Response, Error> {
    req.set_path("/echo");
    req.set_header("x-via", "rust");
    Ok(req.send("origin")?.with_header("x-proxied", "yes"))
}

fn kv() -> Result<Response, Error> {
    let store = KVStore::open("store")?.expect("a KV store");
    let mut said = Vec::new();
    store.insert("rust/one", "first")?;
    let again = store.build_insert().mode(InsertMode::Add).execute("rust/one", "x");
    writeln!(said, "add: {}", again.is_err())?;
    store.build_insert().mode(InsertMode::Append).execute("rust/one", " and more")?;
    store
        .build_insert()
        .metadata("about")
        .time_to_live(Duration::from_secs(60))
        .execute("rust/two", "second")?;
    writeln!(said, "one: {}", store.lookup("rust/one")?.take_body().into_string())?;
    let mut two = store.lookup("rust/two")?;
    let metadata = two.metadata().unwrap_or_default();
    writeln!(said, "two: {} {}", two.take_body().into_string(), String::from_utf8_lossy(&metadata))?;
    let page = store.build_list().prefix("rust/").limit(1).execute()?;
    writeln!(said, "list: {:?} more: {}", page.keys(), page.next_cursor().is_some())?;
    store.delete("rust/one")?;
    store.delete("rust/two")?;
    writeln!(said, "gone: {}", store.lookup("rust/one").is_err())?;
    Ok(Response::from_body(said))
}

/// One get and one put: what the bench asks for.
fn kv_count() -> Result<Response, Error> {
    let store = KVStore::open("store")?.expect("a KV store");
    let count: u64 = match store.lookup("rust/count") {
        Ok(mut found) => found.take_body().into_string().parse().unwrap_or(0),
        Err(_) => 0,
    };
    store.insert("rust/count", (count + 1).to_string())?;
    Ok(Response::from_body(format!("{count}\n")))
}

fn select_fastest() -> Result<Response, Error> {
    let mut pending = Vec::new();
    for ms in [400, 50, 200] {
        pending.push(get(&format!("/slow/{ms}")).with_header("x-ms", ms.to_string()).send_async("origin")?);
    }
    let mut order = String::new();
    while !pending.is_empty() {
        let (answer, rest) = select(pending);
        let answer = answer?;
        let ms = answer.get_backend_request().and_then(|r| r.get_header_str("x-ms")).unwrap_or("?");
        order += &format!("{ms} ");
        pending = rest;
    }
    Ok(Response::from_body(order))
}

fn poll() -> Result<Response, Error> {
    let mut pending = get("/slow/100").send_async("origin")?;
    let mut waits = 0;
    loop {
        match pending.poll() {
            PollResult::Pending(again) => pending = again,
            PollResult::Done(answer) => {
                return Ok(Response::from_body(format!("{} waited: {}", answer?.into_body_str(), waits > 0)));
            }
        }
        waits += 1;
    }
}

fn upload() -> Result<Response, Error> {
    let req = Request::new(Method::POST, "http://app.example/echo");
    let (mut body, pending) = req.send_async_streaming("origin")?;
    for i in 0..1000 {
        writeln!(body, "line {i}")?;
    }
    body.finish()?;
    let text = pending.wait()?.into_body_str();
    Ok(Response::from_body(format!("{} {}", text.lines().count() > 1000, text.ends_with("line 999\n"))))
}

fn cache(req: &Request) -> Result<Response, Error> {
    let key = req.get_query_str().unwrap_or("key").to_owned();
    let mut made = 0;
    let mut said = String::new();
    for _ in 0..2 {
        let entry = simple::get_or_set_with(key.clone(), || {
            made += 1;
            Ok(simple::CacheEntry { value: Body::from("cached"), ttl: Duration::from_secs(60) })
        })?;
        said += &entry.expect("an entry").into_string();
    }
    simple::purge(key.clone())?;
    let gone = simple::get(key)?.is_none();
    Ok(Response::from_body(format!("{said} made: {made} gone: {gone}")))
}

fn stores() -> Response {
    let config = ConfigStore::open("settings").get("plain").unwrap_or_default();
    let token = SecretStore::open("secrets").ok().and_then(|s| s.get("token"));
    let token = token.map(|t| String::from_utf8_lossy(&t.plaintext()).into_owned()).unwrap_or_default();
    let none = ConfigStore::try_open("nowhere").is_err();
    let city = fastly::geo::geo_lookup("203.0.113.9".parse().unwrap()).map(|g| g.city().to_owned());
    Response::from_body(format!("{config} {token} {none} {}", city.unwrap_or_default()))
}

fn send_error() -> Response {
    let refused = get("/").send("refused").map(|_| ()).unwrap_err();
    let unknown = get("/").send("nowhere").map(|_| ()).unwrap_err();
    Response::from_body(format!("{:?}\n{:?}\n", refused.root_cause(), unknown.root_cause()))
}

fn metadata(req: &Request) -> Response {
    let names = req.get_original_header_names().unwrap().unwrap_or_default().len();
    Response::from_body(format!(
        "{:?} {:?} {} {}",
        req.get_client_ip_addr(),
        req.get_version(),
        req.get_client_request_id().unwrap_or_default().len(),
        names == req.get_original_header_count().unwrap_or(0) as usize,
    ))
}

fn stream() -> Result<(), Error> {
    let mut answer = get("/stream/5/20").send("origin")?;
    let mut from = answer.take_body();
    let mut to = answer.stream_to_client();
    let mut block = [0; 4096];
    loop {
        match from.read(&mut block)? {
            0 => break,
            n => to.write_all(&block[..n])?,
        }
        to.flush()?;
    }
    to.finish()?;
    Ok(())
}
