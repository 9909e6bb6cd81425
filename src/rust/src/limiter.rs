// SPDX-License-Identifier: Apache-2.0
//! A store limiter that asks C, so that the host knows *why* memory or a table was refused.
//! The C API's own `wasmtime_store_limiter` refuses silently.

use std::ffi::c_void;
use wasmtime::{ResourceLimiter, Result, Store};
use wasmtime_c_api::{WasmtimeStoreData, wasmtime_store_t};

/// `kind` 0: linear memory, sizes in bytes; 1: table, sizes in elements.
type LimiterFn = extern "C" fn(env: *mut c_void, kind: u32, current: usize, desired: usize) -> bool;

struct CLimiter {
    ask: LimiterFn,
    env: *mut c_void,
}

// The store, and with it this limiter, is used by one thread at a time.
unsafe impl Send for CLimiter {}
unsafe impl Sync for CLimiter {}

impl ResourceLimiter for CLimiter {
    fn memory_growing(&mut self, cur: usize, want: usize, max: Option<usize>) -> Result<bool> {
        if max.is_some_and(|m| want > m) {
            return Ok(false);
        }
        Ok((self.ask)(self.env, 0, cur, want))
    }

    fn table_growing(&mut self, cur: usize, want: usize, max: Option<usize>) -> Result<bool> {
        if max.is_some_and(|m| want > m) {
            return Ok(false);
        }
        Ok((self.ask)(self.env, 1, cur, want))
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn edgectl_rs_store_limiter(
    store: &mut wasmtime_store_t,
    ask: LimiterFn,
    env: *mut c_void,
) {
    // wasmtime_store_t is repr(C) with the Store as its only field, which is private to its crate.
    let store: &mut Store<WasmtimeStoreData> =
        unsafe { &mut *(store as *mut wasmtime_store_t).cast() };
    let mut limiter = CLimiter { ask, env };
    store.limiter(move |_| unsafe { &mut *std::ptr::from_mut(&mut limiter) });
}
