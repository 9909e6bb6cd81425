// SPDX-License-Identifier: Apache-2.0
use fastly::{Error, Request, Response};

#[fastly::main]
fn main(_req: Request) -> Result<Response, Error> {
    Ok(Response::from_body("Hello"))
}
