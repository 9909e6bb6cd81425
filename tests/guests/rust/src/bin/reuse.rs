// SPDX-License-Identifier: Apache-2.0
//! Several requests in one instance.
use fastly::http::serve::Serve;
use fastly::{Error, Request, Response};
use std::time::Duration;

fn main() -> Result<(), Error> {
    let mut count = 0;
    let served = Serve::new()
        .with_max_requests(3)
        .with_timeout(Duration::from_secs(2))
        .run(|_req: Request| {
            count += 1;
            Response::from_body(format!("{count}\n"))
        })
        .into_result();
    Ok(served?)
}
