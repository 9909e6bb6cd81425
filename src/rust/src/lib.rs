// SPDX-License-Identifier: Apache-2.0
//! What edgectl borrows from Rust, and nothing of its own: Wasmtime's C API is re-exported
//! whole; the modules below add the few calls that API lacks, and put httparse and toml
//! behind `extern "C"`. The C side of every function is declared in `edgectl_rs.h`.

pub use wasmtime_c_api::*;

mod http;
mod limiter;
mod pool;
mod toml_events;
