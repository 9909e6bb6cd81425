// SPDX-License-Identifier: Apache-2.0
//! httparse for C: request heads and chunk sizes. No allocation: slices point into the input.

use std::mem::MaybeUninit;

#[repr(C)]
pub struct Slice {
    ptr: *const u8,
    len: usize,
}

impl From<&[u8]> for Slice {
    fn from(s: &[u8]) -> Self {
        Slice { ptr: s.as_ptr(), len: s.len() }
    }
}

#[repr(C)]
pub struct Header {
    name: Slice,
    value: Slice,
}

#[repr(C)]
pub struct Head {
    method: Slice,
    target: Slice,
    minor_version: u8,
    header_count: usize,
}

const PARTIAL: isize = 0;
const BAD: isize = -1;
const TOO_MANY: isize = -2;
const BAD_VERSION: isize = -3;
const MAX_HEADERS: usize = 256;

/// Bytes of a whole head, 0 if more input is needed, or a negative reason.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edgectl_rs_parse_request(
    buf: *const u8,
    len: usize,
    head: &mut Head,
    headers: *mut Header,
    max_headers: usize,
) -> isize {
    let input = unsafe { std::slice::from_raw_parts(buf, len) };
    let mut store = [const { MaybeUninit::<httparse::Header>::uninit() }; MAX_HEADERS];
    let max = max_headers.min(MAX_HEADERS);
    let mut req = httparse::Request::new(&mut []);
    match req.parse_with_uninit_headers(input, &mut store[..max]) {
        Ok(httparse::Status::Partial) => PARTIAL,
        Ok(httparse::Status::Complete(n)) => {
            head.method = req.method.unwrap_or("").as_bytes().into();
            head.target = req.path.unwrap_or("").as_bytes().into();
            head.minor_version = req.version.unwrap_or(1);
            head.header_count = req.headers.len();
            for (i, h) in req.headers.iter().enumerate() {
                let out = Header { name: h.name.as_bytes().into(), value: h.value.into() };
                unsafe { headers.add(i).write(out) };
            }
            n as isize
        }
        Err(httparse::Error::TooManyHeaders) => TOO_MANY,
        Err(httparse::Error::Version) => BAD_VERSION,
        Err(_) => BAD,
    }
}

/// Header lines up to and with the empty line (a trailer section). Result as above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edgectl_rs_parse_headers(
    buf: *const u8,
    len: usize,
    headers: *mut Header,
    max_headers: usize,
    count: &mut usize,
) -> isize {
    let input = unsafe { std::slice::from_raw_parts(buf, len) };
    let mut store = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let max = max_headers.min(MAX_HEADERS);
    match httparse::parse_headers(input, &mut store[..max]) {
        Ok(httparse::Status::Partial) => PARTIAL,
        Ok(httparse::Status::Complete((n, got))) => {
            *count = got.len();
            for (i, h) in got.iter().enumerate() {
                let out = Header { name: h.name.as_bytes().into(), value: h.value.into() };
                unsafe { headers.add(i).write(out) };
            }
            n as isize
        }
        Err(httparse::Error::TooManyHeaders) => TOO_MANY,
        Err(_) => BAD,
    }
}

/// A chunk-size line with its CRLF: its length, 0 if more input is needed, negative if bad.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edgectl_rs_parse_chunk_size(
    buf: *const u8,
    len: usize,
    size: &mut u64,
) -> isize {
    let input = unsafe { std::slice::from_raw_parts(buf, len) };
    match httparse::parse_chunk_size(input) {
        Ok(httparse::Status::Partial) => PARTIAL,
        Ok(httparse::Status::Complete((n, s))) => {
            *size = s;
            n as isize
        }
        Err(_) => BAD,
    }
}
