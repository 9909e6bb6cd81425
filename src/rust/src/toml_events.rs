// SPDX-License-Identifier: Apache-2.0
//! TOML as a stream of events with byte offsets, so that C builds the same node tree from TOML
//! as from YAML and can say where in the file a thing stands.

use std::ffi::c_void;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Kinds: 0 table, 1 array, 2 end (of the innermost), 3 key, 4 string, 5 integer, 6 float,
/// 7 boolean, 8 datetime. Text is UTF-8; offset is where it starts in the file.
type EventFn = extern "C" fn(env: *mut c_void, kind: u32, text: *const u8, len: usize, at: usize);

struct Walk {
    event: EventFn,
    env: *mut c_void,
}

impl Walk {
    fn emit(&self, kind: u32, text: &str, at: usize) {
        (self.event)(self.env, kind, text.as_ptr(), text.len(), at);
    }

    fn table(&self, table: &DeTable<'_>, at: usize) {
        self.emit(0, "", at);
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(k, _)| k.span().start);
        for (key, value) in entries {
            self.emit(3, key.get_ref(), key.span().start);
            self.value(value);
        }
        self.emit(2, "", at);
    }

    fn value(&self, value: &Spanned<DeValue<'_>>) {
        let at = value.span().start;
        match value.get_ref() {
            DeValue::Table(t) => self.table(t, at),
            DeValue::Array(a) => {
                self.emit(1, "", at);
                for v in a.iter() {
                    self.value(v);
                }
                self.emit(2, "", at);
            }
            DeValue::String(s) => self.emit(4, s, at),
            DeValue::Integer(i) => match i64::from_str_radix(i.as_str(), i.radix()) {
                Ok(n) => self.emit(5, &n.to_string(), at),
                Err(_) => self.emit(5, i.as_str(), at),
            },
            DeValue::Float(f) => self.emit(6, f.as_str(), at),
            DeValue::Boolean(b) => self.emit(7, if *b { "true" } else { "false" }, at),
            DeValue::Datetime(d) => self.emit(8, &d.to_string(), at),
        }
    }
}

/// 0 on success; -1 on a syntax error, with its text (cut to `err_cap`, NUL-terminated) and its
/// offset. No event has been sent then. Input that is not UTF-8 is a syntax error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edgectl_rs_toml_events(
    buf: *const u8,
    len: usize,
    event: EventFn,
    env: *mut c_void,
    err: *mut u8,
    err_cap: usize,
    err_at: &mut usize,
) -> i32 {
    let input = unsafe { std::slice::from_raw_parts(buf, len) };
    let mut fail = |text: &str, at: usize| {
        let n = text.len().min(err_cap.saturating_sub(1));
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr(), err, n);
            if err_cap > 0 {
                *err.add(n) = 0;
            }
        }
        *err_at = at;
        -1
    };
    let text = match std::str::from_utf8(input) {
        Ok(t) => t,
        Err(e) => return fail("not UTF-8 text", e.valid_up_to()),
    };
    match DeTable::parse(text) {
        Ok(table) => {
            Walk { event, env }.table(table.get_ref(), 0);
            0
        }
        Err(e) => fail(e.message(), e.span().map_or(0, |s| s.start)),
    }
}
