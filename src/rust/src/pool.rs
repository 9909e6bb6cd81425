// SPDX-License-Identifier: Apache-2.0
//! A setting of the instance pool that the C API does not expose.

use wasmtime::{Enabled, PoolingAllocationConfig};
use wasmtime_c_api::wasmtime_pooling_allocation_config_t;

#[unsafe(no_mangle)]
pub extern "C" fn edgectl_rs_pool_scan_pages(c: &mut wasmtime_pooling_allocation_config_t) {
    // repr(C) with the config as its only field, which is private to its crate.
    let config: &mut PoolingAllocationConfig =
        unsafe { &mut *(c as *mut wasmtime_pooling_allocation_config_t).cast() };
    config.pagemap_scan(Enabled::Auto);
}
