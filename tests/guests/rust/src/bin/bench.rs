// SPDX-License-Identifier: Apache-2.0
// What `make bench` asks of a Rust app:
//   /kv    one get and one put, among a thousand keys
//   /slow  the answer of backend "slow"
use fastly::{Error, KVStore, Request, Response};
use std::time::{SystemTime, UNIX_EPOCH};

#[fastly::main]
fn main(req: Request) -> Result<Response, Error> {
    match req.get_path() {
        "/kv" => {
            let store = KVStore::open("bench")?.expect("the store is in the manifest");
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
            let key = format!("key-{}", now % 1000);
            let seen = match store.lookup(&key) {
                Ok(mut found) => found.take_body().into_string().len(),
                Err(_) => 0,
            };
            store.insert(&key, now.to_string())?;
            Ok(Response::from_body(format!("{seen}\n")))
        }
        "/slow" => Ok(req.send("slow")?),
        _ => Ok(Response::from_body("bench")),
    }
}
