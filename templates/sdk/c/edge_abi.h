/* SPDX-License-Identifier: Apache-2.0 */
/* The Fastly Compute hostcalls in C: all 255, named as the host names them (fastly_http_req_send is
 * function `send` of module `fastly_http_req`). Most programs want edge.h, which is built on this.
 *
 * Reading the declarations
 *   - Every call returns an enum edge_status. Out values are written only with EDGE_OK.
 *   - Text goes in as pointer and length (no NUL needed). Text comes out into (buf, buf_len); with
 *     EDGE_BUFLEN nothing was copied and *nwritten is the size needed.
 *   - Lists of names or values come out NUL-terminated back to back, as many as fit whole.
 *     *ending_cursor is -1 after the last, else the cursor to go on from.
 *   - Handles are uint32_t. "Consumed" means that the call ends the handle's life.
 *   - A record comes with a mask that says which of its fields count: see edge_types.h. */
#ifndef EDGE_ABI_H
#define EDGE_ABI_H

#include "edge_types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define EDGE_CALL(module, name) \
    __attribute__((import_module(#module), import_name(#name))) uint32_t module##_##name

/* --- fastly_cache --- */

/* Lookup without request collapsing; handle is an async item */
EDGE_CALL(fastly_cache, lookup)(const void *cache_key, size_t cache_key_len, uint32_t options_mask,
          const struct edge_cache_lookup_options *options, uint32_t *out);
/* Insert without transaction; gives a streaming body to fill */
EDGE_CALL(fastly_cache, insert)(const void *cache_key, size_t cache_key_len, uint32_t options_mask,
          const struct edge_cache_write_options *options, uint32_t *out);
/* Replace API: entry point */
EDGE_CALL(fastly_cache, replace)(const void *cache_key, size_t cache_key_len, uint32_t options_mask,
          const struct edge_cache_replace_options *options, uint32_t *out);
/* Replace API: insert */
EDGE_CALL(fastly_cache, replace_insert)(uint32_t handle, uint32_t options_mask,
          const struct edge_cache_write_options *options, uint32_t *out);
/* Replace API: get age ns */
EDGE_CALL(fastly_cache, replace_get_age_ns)(uint32_t handle, uint64_t *out);
/* Replace API: get body */
EDGE_CALL(fastly_cache, replace_get_body)(uint32_t handle, uint32_t options_mask,
          const struct edge_cache_get_body_options *options, uint32_t *out);
/* Replace API: get hits */
EDGE_CALL(fastly_cache, replace_get_hits)(uint32_t handle, uint64_t *out);
/* Replace API: get length */
EDGE_CALL(fastly_cache, replace_get_length)(uint32_t handle, uint64_t *out);
/* Replace API: get max age ns */
EDGE_CALL(fastly_cache, replace_get_max_age_ns)(uint32_t handle, uint64_t *out);
/* Replace API: get stale while revalidate ns */
EDGE_CALL(fastly_cache, replace_get_stale_while_revalidate_ns)(uint32_t handle, uint64_t *out);
/* Replace API: get state */
EDGE_CALL(fastly_cache, replace_get_state)(uint32_t handle, uint32_t *out);
/* Replace API: get user metadata */
EDGE_CALL(fastly_cache, replace_get_user_metadata)(uint32_t handle, void *buf, size_t buf_len,
          size_t *nwritten);
/* Lookup with request collapsing */
EDGE_CALL(fastly_cache, transaction_lookup)(const void *cache_key, size_t cache_key_len,
          uint32_t options_mask, const struct edge_cache_lookup_options *options, uint32_t *out);
/* As above without waiting; busy handle */
EDGE_CALL(fastly_cache, transaction_lookup_async)(const void *cache_key, size_t cache_key_len,
          uint32_t options_mask, const struct edge_cache_lookup_options *options, uint32_t *out);
/* Busy handle: cache handle */
EDGE_CALL(fastly_cache, cache_busy_handle_wait)(uint32_t busy_handle, uint32_t *out);
/* Fulfil the obligation; streaming body out */
EDGE_CALL(fastly_cache, transaction_insert)(uint32_t handle, uint32_t options_mask,
          const struct edge_cache_write_options *options, uint32_t *out);
/* Fulfil; streaming body and a read handle */
EDGE_CALL(fastly_cache, transaction_insert_and_stream_back)(uint32_t handle, uint32_t options_mask,
          const struct edge_cache_write_options *options, uint32_t *body_out, uint32_t *cache_out);
/* Refresh metadata of a stale object; obligation is kept on failure */
EDGE_CALL(fastly_cache, transaction_update)(uint32_t handle, uint32_t options_mask,
          const struct edge_cache_write_options *options);
/* Give up the obligation; badf when there is none */
EDGE_CALL(fastly_cache, transaction_cancel)(uint32_t handle);
/* Drop a busy handle without waiting */
EDGE_CALL(fastly_cache, close_busy)(uint32_t handle);
/* Drop a cache handle (drops the obligation) */
EDGE_CALL(fastly_cache, close)(uint32_t handle);
/* U32 lookup state flags; found only while usable */
EDGE_CALL(fastly_cache, get_state)(uint32_t handle, uint32_t *out);
/* Metadata bytes; NONE when nothing found */
EDGE_CALL(fastly_cache, get_user_metadata)(uint32_t handle, void *buf, size_t buf_len,
          size_t *nwritten);
/* Body of a range; the options record is passed by pointer; earlier body of the same handle
 * must be closed */
EDGE_CALL(fastly_cache, get_body)(uint32_t handle, uint32_t options_mask,
          const struct edge_cache_get_body_options *options, uint32_t *out);
/* U64 length if known, else NONE */
EDGE_CALL(fastly_cache, get_length)(uint32_t handle, uint64_t *out);
/* U64 */
EDGE_CALL(fastly_cache, get_max_age_ns)(uint32_t handle, uint64_t *out);
EDGE_CALL(fastly_cache, get_stale_while_revalidate_ns)(uint32_t handle, uint64_t *out);
EDGE_CALL(fastly_cache, get_age_ns)(uint32_t handle, uint64_t *out);
EDGE_CALL(fastly_cache, get_hits)(uint32_t handle, uint64_t *out);

/* --- fastly_config_store --- */

/* Open a config store; unknown name: BADF */
EDGE_CALL(fastly_config_store, open)(const char *name, size_t name_len, uint32_t *out);
/* Value of a key; unknown key: NONE */
EDGE_CALL(fastly_config_store, get)(uint32_t h, const char *key, size_t key_len, char *buf,
          size_t buf_len, size_t *nwritten);

/* --- fastly_http_cache --- */

/* Gate: 0/1 for GET/HEAD; UNSUPPORTED makes every SDK fall back to host caching */
EDGE_CALL(fastly_http_cache, is_request_cacheable)(uint32_t req_handle, uint32_t *out);
/* 32-byte default cache key */
EDGE_CALL(fastly_http_cache, get_suggested_cache_key)(uint32_t req_handle, char *buf,
          size_t buf_len, size_t *nwritten);
/* Deprecated lookup without collapsing */
EDGE_CALL(fastly_http_cache, lookup)(uint32_t req_handle, uint32_t options_mask,
          const struct edge_http_cache_lookup_options *options, uint32_t *out);
/* Lookup for a request (not consumed); async item */
EDGE_CALL(fastly_http_cache, transaction_lookup)(uint32_t req_handle, uint32_t options_mask,
          const struct edge_http_cache_lookup_options *options, uint32_t *out);
/* Store a response (consumed); streaming body out */
EDGE_CALL(fastly_http_cache, transaction_insert)(uint32_t handle, uint32_t resp_handle,
          uint32_t options_mask, const struct edge_http_cache_write_options *options,
          uint32_t *out);
/* Store and read back */
EDGE_CALL(fastly_http_cache, transaction_insert_and_stream_back)(uint32_t handle,
          uint32_t resp_handle, uint32_t options_mask,
          const struct edge_http_cache_write_options *options, uint32_t *body_out,
          uint32_t *http_cache_out);
/* Refresh a stale response (consumed) */
EDGE_CALL(fastly_http_cache, transaction_update)(uint32_t handle, uint32_t resp_handle,
          uint32_t options_mask, const struct edge_http_cache_write_options *options);
/* Refresh and get a fresh handle */
EDGE_CALL(fastly_http_cache, transaction_update_and_return_fresh)(uint32_t handle,
          uint32_t resp_handle, uint32_t options_mask,
          const struct edge_http_cache_write_options *options, uint32_t *out);
/* Serve stale-if-error to all collapsed requests */
EDGE_CALL(fastly_http_cache, transaction_choose_stale)(uint32_t handle);
/* Hit-for-pass marker */
EDGE_CALL(fastly_http_cache, transaction_record_not_cacheable)(uint32_t handle,
          uint32_t options_mask, const struct edge_http_cache_write_options *options);
/* Give up the obligation */
EDGE_CALL(fastly_http_cache, transaction_abandon)(uint32_t handle);
/* Drop the handle */
EDGE_CALL(fastly_http_cache, close)(uint32_t handle);
/* Request handle to send (revalidation headers, no Range) */
EDGE_CALL(fastly_http_cache, get_suggested_backend_request)(uint32_t handle, uint32_t *out);
/* Write options from the response (in/out struct) */
EDGE_CALL(fastly_http_cache, get_suggested_cache_options)(uint32_t handle, uint32_t response,
          uint32_t options_mask, const struct edge_http_cache_write_options *options,
          uint32_t *options_mask_out, struct edge_http_cache_write_options *options_out);
/* Storage action enum plus new response handle */
EDGE_CALL(fastly_http_cache, prepare_response_for_storage)(uint32_t handle, uint32_t response,
          uint32_t *http_storage_action_out, uint32_t *response_out);
/* Stored response and body; NONE when nothing found */
EDGE_CALL(fastly_http_cache, get_found_response)(uint32_t handle, uint32_t transform_for_client,
          uint32_t *response_out, uint32_t *body_out);
/* U32 state flags */
EDGE_CALL(fastly_http_cache, get_state)(uint32_t handle, uint32_t *out);
/* U64 or none */
EDGE_CALL(fastly_http_cache, get_length)(uint32_t handle, uint64_t *out);
EDGE_CALL(fastly_http_cache, get_max_age_ns)(uint32_t handle, uint64_t *out);
EDGE_CALL(fastly_http_cache, get_stale_while_revalidate_ns)(uint32_t handle, uint64_t *out);
EDGE_CALL(fastly_http_cache, get_stale_if_error_ns)(uint32_t handle, uint64_t *out);
EDGE_CALL(fastly_http_cache, get_age_ns)(uint32_t handle, uint64_t *out);
EDGE_CALL(fastly_http_cache, get_hits)(uint32_t handle, uint64_t *out);
/* U32 0/1 or none */
EDGE_CALL(fastly_http_cache, get_sensitive_data)(uint32_t handle, uint32_t *out);
/* String or none */
EDGE_CALL(fastly_http_cache, get_surrogate_keys)(uint32_t handle, void *buf, size_t buf_len,
          size_t *nwritten);
EDGE_CALL(fastly_http_cache, get_vary_rule)(uint32_t handle, void *buf, size_t buf_len,
          size_t *nwritten);

/* --- fastly_shielding --- */

/* Byte flag "running on this shield", then two NUL-terminated URLs; unknown site: inval; too
 * short: buflen without size */
EDGE_CALL(fastly_shielding, shield_info)(const char *name, size_t name_len, char *info_block,
          size_t info_block_len, uint32_t *nwritten);
/* Make a backend for a shield URL; its name is written out */
EDGE_CALL(fastly_shielding, backend_for_shield)(const char *shield_name, size_t shield_name_len,
          uint32_t backend_config_mask,
          const struct edge_shield_backend_config *backend_configuration, char *backend_name_out,
          size_t backend_name_len, uint32_t *nwritten);

/* --- fastly_abi --- */

/* Declare ABI version; only 1 is valid, anything else: error */
EDGE_CALL(fastly_abi, init)(uint64_t abi_version);

/* --- fastly_uap --- */

/* User-agent parsing (4 string outputs); deprecated */
EDGE_CALL(fastly_uap, parse)(const char *user_agent, size_t user_agent_len, char *family,
          size_t family_len, size_t *family_nwritten, char *major, size_t major_len,
          size_t *major_nwritten, char *minor, size_t minor_len, size_t *minor_nwritten,
          char *patch, size_t patch_len, size_t *patch_nwritten);

/* --- fastly_http_body --- */

/* Move all of src onto the end of dest; src handle is consumed; trailers are merged; dest may
 * be a streaming body (then chunks are sent) */
EDGE_CALL(fastly_http_body, append)(uint32_t dest, uint32_t src);
/* New empty body */
EDGE_CALL(fastly_http_body, new)(uint32_t *out);
/* Read at least 1 byte unless at end; 0 = end of body; streaming (write side) body: badf */
EDGE_CALL(fastly_http_body, read)(uint32_t h, void *buf, size_t buf_len, uint32_t *nwritten);
/* Write the whole buffer at back (0) or front (1); nwritten is always the full length; front
 * on a streaming body: badf; streaming write waits while the channel is full */
EDGE_CALL(fastly_http_body, write)(uint32_t h, const void *buf, size_t buf_len, uint32_t end,
          uint32_t *nwritten);
/* Free a body; for a streaming body it is the successful end (sends trailers and the final
 * chunk) */
EDGE_CALL(fastly_http_body, close)(uint32_t h);
/* Free a streaming body without a proper end, so that the peer sees a truncated message */
EDGE_CALL(fastly_http_body, abandon)(uint32_t h);
/* Add a trailer (also to a streaming body) */
EDGE_CALL(fastly_http_body, trailer_append)(uint32_t h, const void *name, size_t name_len,
          const void *value, size_t value_len);
/* Multi-value read of trailer names; again(14) until the body is read to the end; inval on a
 * streaming body */
EDGE_CALL(fastly_http_body, trailer_names_get)(uint32_t h, char *buf, size_t buf_len,
          uint32_t cursor, int64_t *ending_cursor, size_t *nwritten);
/* First trailer value; inval when absent */
EDGE_CALL(fastly_http_body, trailer_value_get)(uint32_t h, const void *name, size_t name_len,
          char *buf, size_t buf_len, size_t *nwritten);
/* Multi-value read of the values of one trailer */
EDGE_CALL(fastly_http_body, trailer_values_get)(uint32_t h, const void *name, size_t name_len,
          char *buf, size_t buf_len, uint32_t cursor, int64_t *ending_cursor, size_t *nwritten);
/* U64 length if exactly known, else NONE; streaming body: none */
EDGE_CALL(fastly_http_body, known_length)(uint32_t h, uint64_t *out);

/* --- fastly_log --- */

/* Handle of a named log endpoint; names stdout, stderr, fst_managed_* (any case): inval; same
 * name gives the same handle */
EDGE_CALL(fastly_log, endpoint_get)(const void *name, size_t name_len, uint32_t *out);
/* Write one log message; always reports the full length */
EDGE_CALL(fastly_log, write)(uint32_t h, const void *msg, size_t msg_len, uint32_t *nwritten);

/* --- fastly_http_req --- */

/* The downstream_* calls here are old forms of those in fastly_http_downstream: without a handle,
 * they speak of the first client request. */

/* Handles of the current client request and body (may be called more than once, same handles) */
EDGE_CALL(fastly_http_req, body_downstream_get)(uint32_t *request_out, uint32_t *body_out);
/* Tag bits + ttl + swr in seconds */
EDGE_CALL(fastly_http_req, cache_override_set)(uint32_t h, uint32_t tag, uint32_t ttl,
          uint32_t stale_while_revalidate);
/* As cache_override_set plus surrogate keys */
EDGE_CALL(fastly_http_req, cache_override_v2_set)(uint32_t h, uint32_t tag, uint32_t ttl,
          uint32_t stale_while_revalidate, const void *sk, size_t sk_len);
/* As above through a struct (cache_override), adds lookup_timeout_ms (tag bit 4) */
EDGE_CALL(fastly_http_req, cache_override_v3_set)(uint32_t h, uint32_t tag,
          const struct edge_cache_override *cache_override_ptr);
EDGE_CALL(fastly_http_req, downstream_client_ip_addr)(char *addr_octets_out, uint32_t *nwritten);
EDGE_CALL(fastly_http_req, downstream_server_ip_addr)(char *addr_octets_out, uint32_t *nwritten);
EDGE_CALL(fastly_http_req, downstream_client_h2_fingerprint)(char *buf, size_t buf_len,
          size_t *nwritten);
EDGE_CALL(fastly_http_req, downstream_client_request_id)(char *buf, size_t buf_len,
          size_t *nwritten);
EDGE_CALL(fastly_http_req, downstream_client_oh_fingerprint)(char *buf, size_t buf_len,
          size_t *nwritten);
EDGE_CALL(fastly_http_req, downstream_client_ddos_detected)(uint32_t *out);
EDGE_CALL(fastly_http_req, downstream_tls_cipher_openssl_name)(char *buf, size_t buf_len,
          size_t *nwritten);
EDGE_CALL(fastly_http_req, downstream_tls_protocol)(char *buf, size_t buf_len, size_t *nwritten);
EDGE_CALL(fastly_http_req, downstream_tls_client_hello)(char *buf, size_t buf_len,
          size_t *nwritten);
EDGE_CALL(fastly_http_req, downstream_tls_raw_client_certificate)(char *buf, size_t buf_len,
          size_t *nwritten);
EDGE_CALL(fastly_http_req, downstream_tls_client_cert_verify_result)(uint32_t *out);
EDGE_CALL(fastly_http_req, downstream_tls_ja3_md5)(char *cja3_md5_out, uint32_t *nwritten);
EDGE_CALL(fastly_http_req, downstream_tls_ja4)(char *buf, size_t buf_len, size_t *nwritten);
EDGE_CALL(fastly_http_req, downstream_compliance_region)(char *buf, size_t buf_len,
          size_t *nwritten);
/* New request: GET, URI "/", HTTP/1.1, no headers */
EDGE_CALL(fastly_http_req, new)(uint32_t *out);
/* Multi-value read of distinct request header names */
EDGE_CALL(fastly_http_req, header_names_get)(uint32_t h, char *buf, size_t buf_len, uint32_t cursor,
          int64_t *ending_cursor, size_t *nwritten);
/* Multi-value read of the client header names as first received (deprecated form without
 * handle) */
EDGE_CALL(fastly_http_req, original_header_names_get)(char *buf, size_t buf_len, uint32_t cursor,
          int64_t *ending_cursor, size_t *nwritten);
/* Number of client headers as received (values counted, deprecated form without handle) */
EDGE_CALL(fastly_http_req, original_header_count)(uint32_t *out);
/* First value of a request header; absent: INVAL */
EDGE_CALL(fastly_http_req, header_value_get)(uint32_t h, const void *name, size_t name_len,
          char *buf, size_t buf_len, size_t *nwritten);
/* Multi-value read of all values of one request header; absent: ok with 0 bytes */
EDGE_CALL(fastly_http_req, header_values_get)(uint32_t h, const void *name, size_t name_len,
          char *buf, size_t buf_len, uint32_t cursor, int64_t *ending_cursor, size_t *nwritten);
/* Replace all values; input is NUL-terminated values back to back (the last piece after the
 * last NUL is dropped) */
EDGE_CALL(fastly_http_req, header_values_set)(uint32_t h, const void *name, size_t name_len,
          const char *values, size_t values_len);
/* Replace all values by one */
EDGE_CALL(fastly_http_req, header_insert)(uint32_t h, const void *name, size_t name_len,
          const void *value, size_t value_len);
/* Add one value */
EDGE_CALL(fastly_http_req, header_append)(uint32_t h, const void *name, size_t name_len,
          const void *value, size_t value_len);
/* Remove a header; absent: INVAL */
EDGE_CALL(fastly_http_req, header_remove)(uint32_t h, const void *name, size_t name_len);
/* Method bytes */
EDGE_CALL(fastly_http_req, method_get)(uint32_t h, char *buf, size_t buf_len, size_t *nwritten);
/* Set the method; not a token: error/httpinvalid */
EDGE_CALL(fastly_http_req, method_set)(uint32_t h, const char *method, size_t method_len);
/* Absolute URI of the request */
EDGE_CALL(fastly_http_req, uri_get)(uint32_t h, char *buf, size_t buf_len, size_t *nwritten);
/* Set the URI; unparsable: error/httpinvalid */
EDGE_CALL(fastly_http_req, uri_set)(uint32_t h, const char *uri, size_t uri_len);
/* HTTP version enum */
EDGE_CALL(fastly_http_req, version_get)(uint32_t h, uint32_t *out);
/* Set the HTTP version enum */
EDGE_CALL(fastly_http_req, version_set)(uint32_t h, uint32_t version);
/* Send and wait for the response head; request and body are consumed */
EDGE_CALL(fastly_http_req, send)(uint32_t h, uint32_t b, const char *backend, size_t backend_len,
          uint32_t *response_out, uint32_t *body_out);
/* As send, with send_error_detail */
EDGE_CALL(fastly_http_req, send_v2)(uint32_t h, uint32_t b, const char *backend, size_t backend_len,
          struct edge_send_error_detail *error_detail, uint32_t *response_out, uint32_t *body_out);
/* As send_v2 but without any caching */
EDGE_CALL(fastly_http_req, send_v3)(uint32_t h, uint32_t b, const char *backend, size_t backend_len,
          struct edge_send_error_detail *error_detail, uint32_t *response_out, uint32_t *body_out);
/* Start a send; gives a pending request handle */
EDGE_CALL(fastly_http_req, send_async)(uint32_t h, uint32_t b, const char *backend,
          size_t backend_len, uint32_t *out);
/* As send_async without caching; streaming=1 keeps the body handle open as a streaming body */
EDGE_CALL(fastly_http_req, send_async_v2)(uint32_t h, uint32_t b, const char *backend,
          size_t backend_len, uint32_t streaming, uint32_t *out);
/* Start a send; the body handle becomes a streaming body */
EDGE_CALL(fastly_http_req, send_async_streaming)(uint32_t h, uint32_t b, const char *backend,
          size_t backend_len, uint32_t *out);
/* Queue a header replacement on a pending response (target any/response/error) */
EDGE_CALL(fastly_http_req, pending_req_header_insert)(uint32_t h, const void *name, size_t name_len,
          const void *value, size_t value_len, uint32_t target);
/* Queue a header addition on a pending response */
EDGE_CALL(fastly_http_req, pending_req_header_append)(uint32_t h, const void *name, size_t name_len,
          const void *value, size_t value_len, uint32_t target);
/* Queue a header removal on a pending response */
EDGE_CALL(fastly_http_req, pending_req_header_remove)(uint32_t h, const void *name, size_t name_len,
          uint32_t target);
/* Is_done 0/1 plus handles; not done: invalid handles, the pending handle stays */
EDGE_CALL(fastly_http_req, pending_req_poll)(uint32_t h, uint32_t *is_done_out,
          uint32_t *response_out, uint32_t *body_out);
/* As pending_req_poll with send_error_detail */
EDGE_CALL(fastly_http_req, pending_req_poll_v2)(uint32_t h,
          struct edge_send_error_detail *error_detail, uint32_t *is_done_out,
          uint32_t *response_out, uint32_t *body_out);
/* Wait for one pending request */
EDGE_CALL(fastly_http_req, pending_req_wait)(uint32_t h, uint32_t *response_out,
          uint32_t *body_out);
/* As pending_req_wait with send_error_detail */
EDGE_CALL(fastly_http_req, pending_req_wait_v2)(uint32_t h,
          struct edge_send_error_detail *error_detail, uint32_t *response_out, uint32_t *body_out);
/* Wait for the first of a list; done index plus handles; failed request: ok with invalid
 * handles; empty list: inval */
EDGE_CALL(fastly_http_req, pending_req_select)(const uint32_t *hs, size_t hs_count,
          uint32_t *done_idx_out, uint32_t *response_out, uint32_t *body_out);
/* As pending_req_select with send_error_detail */
EDGE_CALL(fastly_http_req, pending_req_select_v2)(const uint32_t *hs, size_t hs_count,
          struct edge_send_error_detail *error_detail, uint32_t *done_idx_out,
          uint32_t *response_out, uint32_t *body_out);
EDGE_CALL(fastly_http_req, fastly_key_is_valid)(uint32_t *out);
/* Free a request handle */
EDGE_CALL(fastly_http_req, close)(uint32_t h);
/* Bit 0 = gunzip the response body of this request */
EDGE_CALL(fastly_http_req, auto_decompress_response_set)(uint32_t h, uint32_t encodings);
/* Old WebSocket upgrade */
EDGE_CALL(fastly_http_req, upgrade_websocket)(const char *backend_name, size_t backend_name_len);
/* Hand the client connection to a backend as WebSocket (deprecated form without handle) */
EDGE_CALL(fastly_http_req, redirect_to_websocket_proxy)(const char *backend_name,
          size_t backend_name_len);
/* Hand the client connection to the Fanout (GRIP) proxy (deprecated form without handle) */
EDGE_CALL(fastly_http_req, redirect_to_grip_proxy)(const char *backend_name,
          size_t backend_name_len);
/* Hand over with the given request (its method, path and headers are used) */
EDGE_CALL(fastly_http_req, redirect_to_websocket_proxy_v2)(uint32_t h, const char *backend_name,
          size_t backend_name_len);
/* As above to the Fanout proxy */
EDGE_CALL(fastly_http_req, redirect_to_grip_proxy_v2)(uint32_t h, const char *backend_name,
          size_t backend_name_len);
/* 0 automatic, 1 keep Content-Length/Transfer-Encoding set by the guest if valid */
EDGE_CALL(fastly_http_req, framing_headers_mode_set)(uint32_t h, uint32_t mode);
/* Create a backend for this sandbox: name, host[:port], mask, config struct; existing name:
 * error */
EDGE_CALL(fastly_http_req, register_dynamic_backend)(const char *name_prefix,
          size_t name_prefix_len, const char *target, size_t target_len,
          uint32_t backend_config_mask,
          const struct edge_dynamic_backend_config *backend_configuration);
/* WAF look-aside; writes a JSON verdict */
EDGE_CALL(fastly_http_req, inspect)(uint32_t req, uint32_t body, uint32_t insp_info_mask,
          const struct edge_inspect_info *insp_info, char *buf, size_t buf_len, uint32_t *nwritten);
/* Use the cache of another service (privileged) */
EDGE_CALL(fastly_http_req, on_behalf_of)(uint32_t req, const char *service, size_t service_len);

/* --- fastly_http_downstream --- */

/* Ask for one more client request in this sandbox (request promise; async item) */
EDGE_CALL(fastly_http_downstream, next_request)(uint32_t options_mask,
          const struct edge_next_request_options *options, uint32_t *out);
/* Wait for the promised request; NONE = no more; UNSUPPORTED while the current response is not
 * sent */
EDGE_CALL(fastly_http_downstream, next_request_wait)(uint32_t handle, uint32_t *request_out,
          uint32_t *body_out);
/* Give up a request promise */
EDGE_CALL(fastly_http_downstream, next_request_abandon)(uint32_t handle);
/* Multi-value read of the header names as first received */
EDGE_CALL(fastly_http_downstream, downstream_original_header_names)(uint32_t req, char *buf,
          size_t buf_len, uint32_t cursor, int64_t *ending_cursor, size_t *nwritten);
/* Number of header lines as first received */
EDGE_CALL(fastly_http_downstream, downstream_original_header_count)(uint32_t req, uint32_t *out);
/* 4 or 16 octets, length out */
EDGE_CALL(fastly_http_downstream, downstream_client_ip_addr)(uint32_t req, char *addr_octets_out,
          uint32_t *nwritten);
EDGE_CALL(fastly_http_downstream, downstream_server_ip_addr)(uint32_t req, char *addr_octets_out,
          uint32_t *nwritten);
/* String; NONE when unknown */
EDGE_CALL(fastly_http_downstream, downstream_client_h2_fingerprint)(uint32_t req, char *buf,
          size_t buf_len, size_t *nwritten);
/* Request id string (32 hex digits locally) */
EDGE_CALL(fastly_http_downstream, downstream_client_request_id)(uint32_t req, char *buf,
          size_t buf_len, size_t *nwritten);
/* String; NONE when unknown */
EDGE_CALL(fastly_http_downstream, downstream_client_oh_fingerprint)(uint32_t req, char *buf,
          size_t buf_len, size_t *nwritten);
/* 0/1 */
EDGE_CALL(fastly_http_downstream, downstream_client_ddos_detected)(uint32_t req, uint32_t *out);
/* Cipher name; NONE when the client did not use TLS */
EDGE_CALL(fastly_http_downstream, downstream_tls_cipher_openssl_name)(uint32_t req, char *buf,
          size_t buf_len, size_t *nwritten);
/* For example TLSv1.3; NONE when the client did not use TLS */
EDGE_CALL(fastly_http_downstream, downstream_tls_protocol)(uint32_t req, char *buf, size_t buf_len,
          size_t *nwritten);
/* Raw ClientHello bytes; NONE when the client did not use TLS */
EDGE_CALL(fastly_http_downstream, downstream_tls_client_hello)(uint32_t req, char *buf,
          size_t buf_len, size_t *nwritten);
/* Client certificate bytes; NONE when the client did not use TLS */
EDGE_CALL(fastly_http_downstream, downstream_tls_raw_client_certificate)(uint32_t req, char *buf,
          size_t buf_len, size_t *nwritten);
/* Enum; NONE without TLS */
EDGE_CALL(fastly_http_downstream, downstream_tls_client_cert_verify_result)(uint32_t req,
          uint32_t *out);
/* SNI; NONE when the client did not use TLS */
EDGE_CALL(fastly_http_downstream, downstream_tls_client_servername)(uint32_t req, char *buf,
          size_t buf_len, size_t *nwritten);
/* 16 bytes; NONE without TLS */
EDGE_CALL(fastly_http_downstream, downstream_tls_ja3_md5)(uint32_t req, char *cja3_md5_out,
          uint32_t *nwritten);
/* JA4 string; NONE when the client did not use TLS */
EDGE_CALL(fastly_http_downstream, downstream_tls_ja4)(uint32_t req, char *buf, size_t buf_len,
          size_t *nwritten);
/* String; "none" locally */
EDGE_CALL(fastly_http_downstream, downstream_compliance_region)(uint32_t req, char *buf,
          size_t buf_len, size_t *nwritten);
/* 1 when the request carried a Fastly-Key with purge rights; locally: header value is in the
 * fake_valid_fastly_keys list */
EDGE_CALL(fastly_http_downstream, fastly_key_is_valid)(uint32_t req, uint32_t *out);
/* Bot data: 0/1; locally from x-fastly-bot-* request headers */
EDGE_CALL(fastly_http_downstream, downstream_bot_analyzed)(uint32_t req, uint32_t *out);
EDGE_CALL(fastly_http_downstream, downstream_bot_detected)(uint32_t req, uint32_t *out);
/* Bot data: string; locally from x-fastly-bot-* request headers */
EDGE_CALL(fastly_http_downstream, downstream_bot_name)(uint32_t req, char *buf, size_t buf_len,
          size_t *nwritten);
EDGE_CALL(fastly_http_downstream, downstream_bot_category)(uint32_t req, char *buf, size_t buf_len,
          size_t *nwritten);
/* Bot data: enum 0..14; locally from x-fastly-bot-* request headers */
EDGE_CALL(fastly_http_downstream, downstream_bot_category_kind)(uint32_t req, uint32_t *out);
/* Bot data: 0/1; locally from x-fastly-bot-* request headers */
EDGE_CALL(fastly_http_downstream, downstream_bot_verified)(uint32_t req, uint32_t *out);
/* Client network data 0/1; NONE when unknown */
EDGE_CALL(fastly_http_downstream, downstream_resvpnproxy_is_anonymous)(uint32_t req, uint32_t *out);
EDGE_CALL(fastly_http_downstream, downstream_resvpnproxy_is_anonymous_vpn)(uint32_t req,
          uint32_t *out);
EDGE_CALL(fastly_http_downstream, downstream_resvpnproxy_is_hosting_provider)(uint32_t req,
          uint32_t *out);
EDGE_CALL(fastly_http_downstream, downstream_resvpnproxy_is_proxy_over_vpn)(uint32_t req,
          uint32_t *out);
EDGE_CALL(fastly_http_downstream, downstream_resvpnproxy_is_public_proxy)(uint32_t req,
          uint32_t *out);
EDGE_CALL(fastly_http_downstream, downstream_resvpnproxy_is_relay_proxy)(uint32_t req,
          uint32_t *out);
EDGE_CALL(fastly_http_downstream, downstream_resvpnproxy_is_residential_proxy)(uint32_t req,
          uint32_t *out);
EDGE_CALL(fastly_http_downstream, downstream_resvpnproxy_is_smart_dns_proxy)(uint32_t req,
          uint32_t *out);
EDGE_CALL(fastly_http_downstream, downstream_resvpnproxy_is_tor_exit_node)(uint32_t req,
          uint32_t *out);
EDGE_CALL(fastly_http_downstream, downstream_resvpnproxy_is_vpn_datacenter)(uint32_t req,
          uint32_t *out);
/* String; NONE when unknown */
EDGE_CALL(fastly_http_downstream, downstream_resvpnproxy_vpn_service_name)(uint32_t req, char *buf,
          size_t buf_len, size_t *nwritten);
/* Number of visits in the CDN-Loop chain */
EDGE_CALL(fastly_http_downstream, downstream_visits_this_service)(uint32_t *out);
/* Number of visits in the CDN-Loop chain at this POP */
EDGE_CALL(fastly_http_downstream, downstream_visits_this_pop)(uint32_t *out);

/* --- fastly_http_resp --- */

/* New response: 200, HTTP/1.1, no headers */
EDGE_CALL(fastly_http_resp, new)(uint32_t *out);
/* Multi-value read of distinct response header names */
EDGE_CALL(fastly_http_resp, header_names_get)(uint32_t h, char *buf, size_t buf_len,
          uint32_t cursor, int64_t *ending_cursor, size_t *nwritten);
/* First value of a response header; absent: INVAL */
EDGE_CALL(fastly_http_resp, header_value_get)(uint32_t h, const void *name, size_t name_len,
          char *buf, size_t buf_len, size_t *nwritten);
/* Multi-value read of all values of one response header; absent: ok with 0 bytes */
EDGE_CALL(fastly_http_resp, header_values_get)(uint32_t h, const void *name, size_t name_len,
          char *buf, size_t buf_len, uint32_t cursor, int64_t *ending_cursor, size_t *nwritten);
/* Replace all values; input is NUL-terminated values back to back (the last piece after the
 * last NUL is dropped) */
EDGE_CALL(fastly_http_resp, header_values_set)(uint32_t h, const void *name, size_t name_len,
          const char *values, size_t values_len);
/* Replace all values by one */
EDGE_CALL(fastly_http_resp, header_insert)(uint32_t h, const void *name, size_t name_len,
          const void *value, size_t value_len);
/* Add one value */
EDGE_CALL(fastly_http_resp, header_append)(uint32_t h, const void *name, size_t name_len,
          const void *value, size_t value_len);
/* Remove a header; absent: INVAL */
EDGE_CALL(fastly_http_resp, header_remove)(uint32_t h, const void *name, size_t name_len);
/* HTTP version enum */
EDGE_CALL(fastly_http_resp, version_get)(uint32_t h, uint32_t *out);
/* Set the HTTP version enum */
EDGE_CALL(fastly_http_resp, version_set)(uint32_t h, uint32_t version);
/* Send the response to the client; streaming=1 turns the body handle into a streaming body;
 * 103 may precede the final response, other 1xx: inval; second final response: error */
EDGE_CALL(fastly_http_resp, send_downstream)(uint32_t h, uint32_t b, uint32_t streaming);
/* Let the host send the response of a pending request (502/504/500 made by the host on
 * failure) */
EDGE_CALL(fastly_http_resp, send_downstream_pending)(uint32_t handle);
/* U16 status (2-byte store) */
EDGE_CALL(fastly_http_resp, status_get)(uint32_t h, uint16_t *out);
/* Set the status; outside 100..999: inval */
EDGE_CALL(fastly_http_resp, status_set)(uint32_t h, uint32_t status);
/* Free a response handle */
EDGE_CALL(fastly_http_resp, close)(uint32_t h);
/* As for requests */
EDGE_CALL(fastly_http_resp, framing_headers_mode_set)(uint32_t h, uint32_t mode);
/* 0 automatic, 1 close the client connection after the response */
EDGE_CALL(fastly_http_resp, http_keepalive_mode_set)(uint32_t h, uint32_t mode);
/* Address of the backend that answered; NONE unless the request was a pass request */
EDGE_CALL(fastly_http_resp, get_addr_dest_ip)(uint32_t h, char *addr_octets_out,
          uint32_t *nwritten);
/* Port of the backend that answered (2-byte store); NONE unless pass */
EDGE_CALL(fastly_http_resp, get_addr_dest_port)(uint32_t h, uint16_t *out);

/* --- fastly_dictionary --- */

/* Open a dictionary; unknown name: BADF */
EDGE_CALL(fastly_dictionary, open)(const char *name, size_t name_len, uint32_t *out);
/* Value of a key; unknown key: NONE */
EDGE_CALL(fastly_dictionary, get)(uint32_t h, const char *key, size_t key_len, char *buf,
          size_t buf_len, size_t *nwritten);

/* --- fastly_geo --- */

/* JSON text for a 4/16-octet address; other length: inval; unknown address: ok with 0 bytes */
EDGE_CALL(fastly_geo, lookup)(const void *addr_octets, size_t addr_len, char *buf, size_t buf_len,
          size_t *nwritten);

/* --- fastly_device_detection --- */

/* JSON text for a user agent; unknown: NONE */
EDGE_CALL(fastly_device_detection, lookup)(const char *user_agent, size_t user_agent_len, char *buf,
          size_t buf_len, size_t *nwritten);

/* --- fastly_erl --- */

/* Count an entry, compare with the limit over a window and put it in a penalty box; 1 =
 * blocked */
EDGE_CALL(fastly_erl, check_rate)(const char *rc, size_t rc_len, const char *entry,
          size_t entry_len, uint32_t delta, uint32_t window, uint32_t limit, const char *pb,
          size_t pb_len, uint32_t ttl, uint32_t *out);
/* Add delta to an entry of a rate counter */
EDGE_CALL(fastly_erl, ratecounter_increment)(const char *rc, size_t rc_len, const char *entry,
          size_t entry_len, uint32_t delta);
/* Rate per second over a window of 1/10/60 s */
EDGE_CALL(fastly_erl, ratecounter_lookup_rate)(const char *rc, size_t rc_len, const char *entry,
          size_t entry_len, uint32_t window, uint32_t *out);
/* Count over 10..60 s */
EDGE_CALL(fastly_erl, ratecounter_lookup_count)(const char *rc, size_t rc_len, const char *entry,
          size_t entry_len, uint32_t duration, uint32_t *out);
/* Add an entry for ttl */
EDGE_CALL(fastly_erl, penaltybox_add)(const char *pb, size_t pb_len, const char *entry,
          size_t entry_len, uint32_t ttl);
/* 0/1 */
EDGE_CALL(fastly_erl, penaltybox_has)(const char *pb, size_t pb_len, const char *entry,
          size_t entry_len, uint32_t *out);

/* --- fastly_object_store --- */

/* Open a KV store (old form); unknown: inval */
EDGE_CALL(fastly_object_store, open)(const char *name, size_t name_len, uint32_t *out);
/* Body handle out; missing key: ok and the out handle is left untouched */
EDGE_CALL(fastly_object_store, lookup)(uint32_t store, const char *key, size_t key_len,
          uint32_t *body_handle_out);
/* Pending lookup (async item) */
EDGE_CALL(fastly_object_store, lookup_async)(uint32_t store, const char *key, size_t key_len,
          uint32_t *pending_handle_out);
/* Body handle out; missing key: ok, out untouched */
EDGE_CALL(fastly_object_store, pending_lookup_wait)(uint32_t pending_objstr_handle,
          uint32_t *body_handle_out);
/* Store a body; body consumed */
EDGE_CALL(fastly_object_store, insert)(uint32_t store, const char *key, size_t key_len,
          uint32_t body_handle);
/* Pending insert */
EDGE_CALL(fastly_object_store, insert_async)(uint32_t store, const char *key, size_t key_len,
          uint32_t body_handle, uint32_t *pending_handle_out);
/* Wait for the insert */
EDGE_CALL(fastly_object_store, pending_insert_wait)(uint32_t pending_objstr_handle);
/* Pending delete */
EDGE_CALL(fastly_object_store, delete_async)(uint32_t store, const char *key, size_t key_len,
          uint32_t *pending_handle_out);
/* Wait; missing key: NONE */
EDGE_CALL(fastly_object_store, pending_delete_wait)(uint32_t pending_objstr_handle);

/* --- fastly_image_optimizer --- */

/* Send through the image optimizer */
EDGE_CALL(fastly_image_optimizer, transform_image_optimizer_request)(uint32_t origin_image_request,
          uint32_t origin_image_request_body, const char *origin_image_request_backend,
          size_t origin_image_request_backend_len, uint32_t io_transform_config_mask,
          const struct edge_image_optimizer_transform_config *io_transform_configuration,
          struct edge_image_optimizer_error_detail *io_error_detail, uint32_t *response_out,
          uint32_t *body_out);

/* --- fastly_kv_store --- */

/* Open a KV store; unknown name: INVAL */
EDGE_CALL(fastly_kv_store, open)(const char *name, size_t name_len, uint32_t *out);
/* Start a lookup; bad key: inval; handle out */
EDGE_CALL(fastly_kv_store, lookup)(uint32_t store, const char *key, size_t key_len,
          uint32_t lookup_config_mask, const struct edge_kv_lookup_config *lookup_configuration,
          uint32_t *handle_out);
/* Body, metadata and kv_error; generation is written as 0 (u32) */
EDGE_CALL(fastly_kv_store, lookup_wait)(uint32_t handle, uint32_t *body_handle_out,
          char *metadata_buf, size_t metadata_buf_len, size_t *nwritten, uint32_t *generation_out,
          uint32_t *kv_error_out);
/* Body, metadata, u64 generation and kv_error; missing: ok status with kv_error not_found;
 * metadata too long: nwritten set, buflen */
EDGE_CALL(fastly_kv_store, lookup_wait_v2)(uint32_t handle, uint32_t *body_handle_out,
          char *metadata_buf, size_t metadata_buf_len, size_t *nwritten, uint64_t *generation_out,
          uint32_t *kv_error_out);
/* Start an insert with mode, metadata, ttl, generation condition; body consumed */
EDGE_CALL(fastly_kv_store, insert)(uint32_t store, const char *key, size_t key_len,
          uint32_t body_handle, uint32_t insert_config_mask,
          const struct edge_kv_insert_config *insert_configuration, uint32_t *handle_out);
/* Kv_error out */
EDGE_CALL(fastly_kv_store, insert_wait)(uint32_t handle, uint32_t *kv_error_out);
/* Start a delete */
EDGE_CALL(fastly_kv_store, delete)(uint32_t store, const char *key, size_t key_len,
          uint32_t delete_config_mask, const struct edge_kv_delete_config *delete_configuration,
          uint32_t *handle_out);
/* Kv_error out; missing key: not_found */
EDGE_CALL(fastly_kv_store, delete_wait)(uint32_t handle, uint32_t *kv_error_out);
/* Start a list with cursor, prefix, limit */
EDGE_CALL(fastly_kv_store, list)(uint32_t store, uint32_t list_config_mask,
          const struct edge_kv_list_config *list_configuration, uint32_t *handle_out);
/* Body handle with a JSON page */
EDGE_CALL(fastly_kv_store, list_wait)(uint32_t handle, uint32_t *body_handle_out,
          uint32_t *kv_error_out);

/* --- fastly_secret_store --- */

/* Open; unknown: NONE */
EDGE_CALL(fastly_secret_store, open)(const char *name, size_t name_len, uint32_t *out);
/* Secret handle; unknown: NONE */
EDGE_CALL(fastly_secret_store, get)(uint32_t store, const char *key, size_t key_len, uint32_t *out);
/* Copy the plaintext; buflen with nwritten = needed */
EDGE_CALL(fastly_secret_store, plaintext)(uint32_t secret, char *buf, size_t buf_len,
          size_t *nwritten);
/* Make a secret handle from guest bytes */
EDGE_CALL(fastly_secret_store, from_bytes)(const void *buf, size_t buf_len, uint32_t *out);

/* --- fastly_backend --- */

/* 0/1, never fails for an unknown name */
EDGE_CALL(fastly_backend, exists)(const char *backend, size_t backend_len, uint32_t *out);
/* Enum 0 unknown 1 healthy 2 unhealthy */
EDGE_CALL(fastly_backend, is_healthy)(const char *backend, size_t backend_len, uint32_t *out);
/* 0/1; unknown backend: inval */
EDGE_CALL(fastly_backend, is_dynamic)(const char *backend, size_t backend_len, uint32_t *out);
/* Host part of the backend address */
EDGE_CALL(fastly_backend, get_host)(const char *backend, size_t backend_len, char *buf,
          size_t buf_len, size_t *nwritten);
/* Host header override; NONE if not set */
EDGE_CALL(fastly_backend, get_override_host)(const char *backend, size_t backend_len, char *buf,
          size_t buf_len, size_t *nwritten);
/* U16 (2-byte store) */
EDGE_CALL(fastly_backend, get_port)(const char *backend, size_t backend_len, uint16_t *out);
/* U32 ms */
EDGE_CALL(fastly_backend, get_connect_timeout_ms)(const char *backend, size_t backend_len,
          uint32_t *out);
EDGE_CALL(fastly_backend, get_first_byte_timeout_ms)(const char *backend, size_t backend_len,
          uint32_t *out);
EDGE_CALL(fastly_backend, get_between_bytes_timeout_ms)(const char *backend, size_t backend_len,
          uint32_t *out);
/* U32 keepalive setting */
EDGE_CALL(fastly_backend, get_http_keepalive_time)(const char *backend, size_t backend_len,
          uint32_t *out);
EDGE_CALL(fastly_backend, get_tcp_keepalive_enable)(const char *backend, size_t backend_len,
          uint32_t *out);
EDGE_CALL(fastly_backend, get_tcp_keepalive_interval)(const char *backend, size_t backend_len,
          uint32_t *out);
EDGE_CALL(fastly_backend, get_tcp_keepalive_probes)(const char *backend, size_t backend_len,
          uint32_t *out);
EDGE_CALL(fastly_backend, get_tcp_keepalive_time)(const char *backend, size_t backend_len,
          uint32_t *out);
/* 0/1 */
EDGE_CALL(fastly_backend, is_ssl)(const char *backend, size_t backend_len, uint32_t *out);
/* Enum 0..3 */
EDGE_CALL(fastly_backend, get_ssl_min_version)(const char *backend, size_t backend_len,
          uint32_t *out);
EDGE_CALL(fastly_backend, get_ssl_max_version)(const char *backend, size_t backend_len,
          uint32_t *out);

/* --- fastly_async_io --- */

/* Wait until one of the items is ready, give its index; timeout_ms 0 = no timeout; timeout: ok
 * with index 0xffffffff; empty list with timeout 0: inval, empty list with timeout = sleep */
EDGE_CALL(fastly_async_io, select)(const uint32_t *hs, size_t hs_count, uint32_t timeout_ms,
          uint32_t *out);
/* 1 if the item would not block */
EDGE_CALL(fastly_async_io, is_ready)(uint32_t handle, uint32_t *out);

/* --- fastly_purge --- */

/* Purge by surrogate key; bit 0 soft, bit 1 return JSON */
EDGE_CALL(fastly_purge, purge_surrogate_key)(const char *surrogate_key, size_t surrogate_key_len,
          uint32_t options_mask, const struct edge_purge_options *options);

/* --- fastly_compute_runtime --- */

/* U64 active CPU milliseconds of this sandbox */
EDGE_CALL(fastly_compute_runtime, get_vcpu_ms)(uint64_t *out);
/* U32 0/1 product flag */
EDGE_CALL(fastly_compute_runtime, has_domain_inspector)(uint32_t *out);
EDGE_CALL(fastly_compute_runtime, has_image_optimizer)(uint32_t *out);
EDGE_CALL(fastly_compute_runtime, has_origin_inspector)(uint32_t *out);
/* U32 MiB in use, rounded up */
EDGE_CALL(fastly_compute_runtime, get_heap_mib)(uint32_t *out);

/* --- fastly_acl --- */

/* Open; unknown: NONE */
EDGE_CALL(fastly_acl, open)(const char *name, size_t name_len, uint32_t *out);
/* Match a 4/16-octet address; found: body handle with JSON and acl_error ok(1); no match: ok
 * status with acl_error no_content(2) */
EDGE_CALL(fastly_acl, lookup)(uint32_t acl, const void *ip_octets, size_t ip_len,
          uint32_t *body_handle_out, uint32_t *acl_error_out);

#ifdef __cplusplus
}
#endif

#endif
