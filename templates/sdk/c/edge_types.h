/* SPDX-License-Identifier: Apache-2.0 */
/* The statuses, enums, flags and records of the Fastly Compute hostcalls (edge_abi.h). The mask
 * given with a record says which of its fields count; its bits stand above the record. */
#ifndef EDGE_TYPES_H
#define EDGE_TYPES_H

#include <stddef.h>
#include <stdint.h>

#define EDGE_INVALID_HANDLE 0xFFFFFFFEu
#define EDGE_SELECT_TIMEOUT 0xFFFFFFFFu /* index given by fastly_async_io_select */

enum edge_status {
    EDGE_OK,                    /* done */
    EDGE_ERROR,                 /* failed: connection, parsing, second response ... */
    EDGE_INVAL,                 /* bad argument; also: no such backend, no such header */
    EDGE_BADF,                  /* no such handle, or one of another kind */
    EDGE_BUFLEN,                /* buffer too small */
    EDGE_UNSUPPORTED,           /* not available here */
    EDGE_BADALIGN,              /* misaligned pointer */
    EDGE_HTTP_INVALID,          /* the backend's answer is not HTTP */
    EDGE_HTTP_USER,
    EDGE_HTTP_INCOMPLETE,       /* the backend's answer was cut short */
    EDGE_NONE,                  /* there is no such datum */
    EDGE_HTTP_HEAD_TOO_LARGE,
    EDGE_HTTP_INVALID_STATUS,
    EDGE_LIMIT_EXCEEDED,
    EDGE_AGAIN,                 /* not yet: trailers before the end of the body */
};

enum edge_http_version { EDGE_HTTP_09, EDGE_HTTP_10, EDGE_HTTP_11, EDGE_HTTP_2, EDGE_HTTP_3 };
enum edge_body_end { EDGE_BODY_BACK, EDGE_BODY_FRONT };
enum edge_framing { EDGE_FRAMING_AUTOMATIC, EDGE_FRAMING_FROM_HEADERS };
enum edge_keepalive { EDGE_KEEPALIVE_AUTOMATIC, EDGE_KEEPALIVE_NONE };
enum edge_health { EDGE_HEALTH_UNKNOWN, EDGE_HEALTH_HEALTHY, EDGE_HEALTH_UNHEALTHY };
enum edge_tls_version { EDGE_TLS_10, EDGE_TLS_11, EDGE_TLS_12, EDGE_TLS_13 };
enum edge_pending_kind { EDGE_PENDING_ANY, EDGE_PENDING_RESPONSE, EDGE_PENDING_ERROR };
enum { EDGE_DECOMPRESS_GZIP = 1 << 0 };

/* --- requests --- */

enum edge_cache_override_tag {
    EDGE_OVERRIDE_NONE = 0,
    EDGE_OVERRIDE_PASS = 1 << 0,
    EDGE_OVERRIDE_TTL = 1 << 1,
    EDGE_OVERRIDE_STALE_WHILE_REVALIDATE = 1 << 2,
    EDGE_OVERRIDE_PCI = 1 << 3,
    EDGE_OVERRIDE_LOOKUP_TIMEOUT = 1 << 4,
};

struct edge_cache_override {
    uint32_t ttl_s, stale_while_revalidate_s;
    const char *surrogate_keys;
    size_t surrogate_keys_len;
    uint32_t lookup_timeout_ms;
};

enum edge_send_error {
    EDGE_SEND_UNINITIALIZED, EDGE_SEND_OK, EDGE_SEND_DNS_TIMEOUT, EDGE_SEND_DNS_ERROR,
    EDGE_SEND_DESTINATION_NOT_FOUND, EDGE_SEND_DESTINATION_UNAVAILABLE,
    EDGE_SEND_DESTINATION_IP_UNROUTABLE, EDGE_SEND_CONNECTION_REFUSED,
    EDGE_SEND_CONNECTION_TERMINATED, EDGE_SEND_CONNECTION_TIMEOUT,
    EDGE_SEND_CONNECTION_LIMIT_REACHED, EDGE_SEND_TLS_CERTIFICATE_ERROR,
    EDGE_SEND_TLS_CONFIGURATION_ERROR, EDGE_SEND_HTTP_INCOMPLETE_RESPONSE,
    EDGE_SEND_HTTP_RESPONSE_HEADER_SECTION_TOO_LARGE, EDGE_SEND_HTTP_RESPONSE_BODY_TOO_LARGE,
    EDGE_SEND_HTTP_RESPONSE_TIMEOUT, EDGE_SEND_HTTP_RESPONSE_STATUS_INVALID,
    EDGE_SEND_HTTP_UPGRADE_FAILED, EDGE_SEND_HTTP_PROTOCOL_ERROR,
    EDGE_SEND_HTTP_REQUEST_CACHE_KEY_INVALID, EDGE_SEND_HTTP_REQUEST_URI_INVALID,
    EDGE_SEND_INTERNAL_ERROR, EDGE_SEND_TLS_ALERT_RECEIVED, EDGE_SEND_TLS_PROTOCOL_ERROR,
    EDGE_SEND_H2_ERROR,
};

/* In and out: the mask says which fields the caller has room for, then which were filled. */
enum edge_send_error_mask {
    EDGE_SEND_ERROR_DNS_RCODE = 1 << 1,
    EDGE_SEND_ERROR_DNS_INFO = 1 << 2,
    EDGE_SEND_ERROR_TLS_ALERT = 1 << 3,
    EDGE_SEND_ERROR_H2 = 1 << 4,
};

struct edge_send_error_detail {
    uint32_t tag, mask;
    uint16_t dns_error_rcode, dns_error_info_code;
    uint8_t tls_alert_id, h2_error_frame;
    uint32_t h2_error_code;
};

enum edge_backend_option {
    EDGE_BACKEND_HOST_OVERRIDE = 1 << 1,
    EDGE_BACKEND_CONNECT_TIMEOUT = 1 << 2,
    EDGE_BACKEND_FIRST_BYTE_TIMEOUT = 1 << 3,
    EDGE_BACKEND_BETWEEN_BYTES_TIMEOUT = 1 << 4,
    EDGE_BACKEND_USE_SSL = 1 << 5,
    EDGE_BACKEND_SSL_MIN_VERSION = 1 << 6,
    EDGE_BACKEND_SSL_MAX_VERSION = 1 << 7,
    EDGE_BACKEND_CERT_HOSTNAME = 1 << 8,
    EDGE_BACKEND_CA_CERT = 1 << 9,
    EDGE_BACKEND_CIPHERS = 1 << 10,
    EDGE_BACKEND_SNI_HOSTNAME = 1 << 11,
    EDGE_BACKEND_DONT_POOL = 1 << 12,
    EDGE_BACKEND_CLIENT_CERT = 1 << 13,
    EDGE_BACKEND_GRPC = 1 << 14,
    EDGE_BACKEND_KEEPALIVE = 1 << 15,
    EDGE_BACKEND_POOLING_LIMITS = 1 << 16,
    EDGE_BACKEND_PREFER_IPV4 = 1 << 17,
    EDGE_BACKEND_HEALTHCHECK = 1 << 18,
};

struct edge_healthcheck {
    uint64_t interval_ms;
    uint32_t timeout_ms, reserved;
    const char *host;
    size_t host_len;
    const char *method;
    size_t method_len;
    const char *path;
    size_t path_len;
    uint32_t expected_status, window, threshold, initial;
};

struct edge_dynamic_backend_config {
    const char *host_override;
    size_t host_override_len;
    uint32_t connect_timeout_ms, first_byte_timeout_ms, between_bytes_timeout_ms;
    uint32_t ssl_min_version, ssl_max_version;
    const char *cert_hostname;
    size_t cert_hostname_len;
    const char *ca_cert;
    size_t ca_cert_len;
    const char *ciphers;
    size_t ciphers_len;
    const char *sni_hostname;
    size_t sni_hostname_len;
    const char *client_certificate;
    size_t client_certificate_len;
    uint32_t client_key; /* a secret handle */
    uint32_t http_keepalive_time_ms;
    uint32_t tcp_keepalive_enable, tcp_keepalive_interval_s, tcp_keepalive_probes;
    uint32_t tcp_keepalive_time_s;
    uint32_t max_connections, max_use, max_lifetime_ms;
    const struct edge_healthcheck *healthcheck;
};

enum edge_inspect_mask {
    EDGE_INSPECT_CORP = 1 << 1,
    EDGE_INSPECT_WORKSPACE = 1 << 2,
    EDGE_INSPECT_CLIENT_IP = 1 << 3,
};

struct edge_inspect_info {
    const char *corp;
    size_t corp_len;
    const char *workspace;
    size_t workspace_len;
    const void *client_ip;
    size_t client_ip_len;
};

enum { EDGE_NEXT_REQUEST_TIMEOUT = 1 << 1 };

struct edge_next_request_options {
    uint64_t timeout_ms;
};

/* --- caches --- */

enum edge_cache_state {
    EDGE_CACHE_FOUND = 1 << 0,
    EDGE_CACHE_USABLE = 1 << 1,
    EDGE_CACHE_STALE = 1 << 2,
    EDGE_CACHE_MUST_INSERT_OR_UPDATE = 1 << 3,
    EDGE_CACHE_USABLE_IF_ERROR = 1 << 4,
};

enum edge_cache_lookup_mask {
    EDGE_LOOKUP_REQUEST_HEADERS = 1 << 1,
    EDGE_LOOKUP_SERVICE_ID = 1 << 2,
    EDGE_LOOKUP_ALWAYS_USE_REQUESTED_RANGE = 1 << 3,
};

struct edge_cache_lookup_options {
    uint32_t request_headers; /* a request handle */
    const char *service_id;
    size_t service_id_len;
};

enum edge_cache_replace_mask {
    EDGE_REPLACE_REQUEST_HEADERS = 1 << 1,
    EDGE_REPLACE_STRATEGY = 1 << 2,
    EDGE_REPLACE_SERVICE_ID = 1 << 3,
    EDGE_REPLACE_ALWAYS_USE_REQUESTED_RANGE = 1 << 4,
};

struct edge_cache_replace_options {
    uint32_t request_headers, strategy;
    const char *service_id;
    size_t service_id_len;
};

/* max_age_ns always counts. */
enum edge_cache_write_mask {
    EDGE_WRITE_REQUEST_HEADERS = 1 << 1,
    EDGE_WRITE_VARY_RULE = 1 << 2,
    EDGE_WRITE_INITIAL_AGE = 1 << 3,
    EDGE_WRITE_STALE_WHILE_REVALIDATE = 1 << 4,
    EDGE_WRITE_SURROGATE_KEYS = 1 << 5,
    EDGE_WRITE_LENGTH = 1 << 6,
    EDGE_WRITE_USER_METADATA = 1 << 7,
    EDGE_WRITE_SENSITIVE_DATA = 1 << 8,
    EDGE_WRITE_EDGE_MAX_AGE = 1 << 9,
    EDGE_WRITE_SERVICE_ID = 1 << 10,
};

struct edge_cache_write_options {
    uint64_t max_age_ns;
    uint32_t request_headers;
    const char *vary_rule;
    size_t vary_rule_len;
    uint64_t initial_age_ns, stale_while_revalidate_ns;
    const char *surrogate_keys;
    size_t surrogate_keys_len;
    uint64_t length;
    const void *user_metadata;
    size_t user_metadata_len;
    uint64_t edge_max_age_ns;
    const char *service_id;
    size_t service_id_len;
};

enum edge_cache_range_mask { EDGE_RANGE_FROM = 1 << 1, EDGE_RANGE_TO = 1 << 2 };

struct edge_cache_get_body_options {
    uint64_t from, to; /* both inclusive */
};

enum edge_http_cache_lookup_mask {
    EDGE_HTTP_LOOKUP_OVERRIDE_KEY = 1 << 1,
    EDGE_HTTP_LOOKUP_BACKEND_NAME = 1 << 2,
};

struct edge_http_cache_lookup_options {
    const void *override_key;
    size_t override_key_len;
    const char *backend_name;
    size_t backend_name_len;
};

/* max_age_ns always counts. */
enum edge_http_cache_write_mask {
    EDGE_HTTP_WRITE_VARY_RULE = 1 << 1,
    EDGE_HTTP_WRITE_INITIAL_AGE = 1 << 2,
    EDGE_HTTP_WRITE_STALE_WHILE_REVALIDATE = 1 << 3,
    EDGE_HTTP_WRITE_SURROGATE_KEYS = 1 << 4,
    EDGE_HTTP_WRITE_LENGTH = 1 << 5,
    EDGE_HTTP_WRITE_SENSITIVE_DATA = 1 << 6,
    EDGE_HTTP_WRITE_STALE_IF_ERROR = 1 << 7,
};

struct edge_http_cache_write_options {
    uint64_t max_age_ns;
    const char *vary_rule;
    size_t vary_rule_len;
    uint64_t initial_age_ns, stale_while_revalidate_ns;
    const char *surrogate_keys;
    size_t surrogate_keys_len;
    uint64_t length, stale_if_error_ns;
};

enum edge_storage_action {
    EDGE_STORAGE_INSERT, EDGE_STORAGE_UPDATE, EDGE_STORAGE_DO_NOT_STORE,
    EDGE_STORAGE_RECORD_UNCACHEABLE,
};

enum edge_purge_mask { EDGE_PURGE_SOFT = 1 << 0, EDGE_PURGE_RETURN = 1 << 1 };

struct edge_purge_options {
    char *buf;
    size_t buf_len;
    size_t *nwritten;
};

/* --- stores --- */

enum edge_kv_error {
    EDGE_KV_UNINITIALIZED, EDGE_KV_OK, EDGE_KV_BAD_REQUEST, EDGE_KV_NOT_FOUND,
    EDGE_KV_PRECONDITION_FAILED, EDGE_KV_PAYLOAD_TOO_LARGE, EDGE_KV_INTERNAL_ERROR,
    EDGE_KV_TOO_MANY_REQUESTS,
};
enum edge_kv_mode { EDGE_KV_OVERWRITE, EDGE_KV_ADD, EDGE_KV_APPEND, EDGE_KV_PREPEND };
enum edge_kv_list_mode { EDGE_KV_STRONG, EDGE_KV_EVENTUAL };
enum edge_acl_error {
    EDGE_ACL_UNINITIALIZED, EDGE_ACL_OK, EDGE_ACL_NO_CONTENT, EDGE_ACL_TOO_MANY_REQUESTS,
};

struct edge_kv_lookup_config {
    uint32_t reserved;
};

struct edge_kv_delete_config {
    uint32_t reserved;
};

enum edge_kv_insert_mask {
    EDGE_KV_BACKGROUND_FETCH = 1 << 1,
    EDGE_KV_METADATA = 1 << 3,
    EDGE_KV_TIME_TO_LIVE = 1 << 4,
    EDGE_KV_IF_GENERATION_MATCH = 1 << 5,
};

struct edge_kv_insert_config {
    uint32_t mode, unused; /* mode always counts */
    const void *metadata;
    size_t metadata_len;
    uint32_t time_to_live_s;
    uint64_t if_generation_match;
};

enum edge_kv_list_mask {
    EDGE_KV_LIST_CURSOR = 1 << 1,
    EDGE_KV_LIST_LIMIT = 1 << 2,
    EDGE_KV_LIST_PREFIX = 1 << 3,
};

struct edge_kv_list_config {
    uint32_t mode; /* always counts */
    const char *cursor;
    size_t cursor_len;
    uint32_t limit;
    const char *prefix;
    size_t prefix_len;
};

/* --- the rest --- */

enum edge_shield_mask {
    EDGE_SHIELD_CACHE_KEY = 1 << 1,
    EDGE_SHIELD_FIRST_BYTE_TIMEOUT = 1 << 2,
    EDGE_SHIELD_BETWEEN_BYTES_TIMEOUT = 1 << 3,
};

struct edge_shield_backend_config {
    const char *cache_key;
    size_t cache_key_len;
    uint32_t first_byte_timeout_ms, between_bytes_timeout_ms;
};

enum { EDGE_IMAGE_SDK_CLAIMS_OPTS = 1 << 1 };

struct edge_image_optimizer_transform_config {
    const char *options;
    size_t options_len;
};

enum edge_image_error {
    EDGE_IMAGE_UNINITIALIZED, EDGE_IMAGE_OK, EDGE_IMAGE_ERROR, EDGE_IMAGE_WARNING,
};

struct edge_image_optimizer_error_detail {
    uint32_t tag;
    const char *message;
    size_t message_len;
};

/* The sizes that the host goes by. */
#ifdef __wasm32__
_Static_assert(sizeof(struct edge_cache_override) == 20, "layout");
_Static_assert(sizeof(struct edge_dynamic_backend_config) == 108, "layout");
_Static_assert(sizeof(struct edge_healthcheck) == 56, "layout");
_Static_assert(sizeof(struct edge_send_error_detail) == 20, "layout");
_Static_assert(sizeof(struct edge_inspect_info) == 24, "layout");
_Static_assert(sizeof(struct edge_next_request_options) == 8, "layout");
_Static_assert(sizeof(struct edge_cache_lookup_options) == 12, "layout");
_Static_assert(sizeof(struct edge_cache_replace_options) == 16, "layout");
_Static_assert(sizeof(struct edge_cache_write_options) == 80, "layout");
_Static_assert(sizeof(struct edge_cache_get_body_options) == 16, "layout");
_Static_assert(sizeof(struct edge_http_cache_lookup_options) == 16, "layout");
_Static_assert(sizeof(struct edge_http_cache_write_options) == 56, "layout");
_Static_assert(sizeof(struct edge_purge_options) == 12, "layout");
_Static_assert(sizeof(struct edge_kv_insert_config) == 32, "layout");
_Static_assert(sizeof(struct edge_kv_list_config) == 24, "layout");
_Static_assert(sizeof(struct edge_shield_backend_config) == 16, "layout");
_Static_assert(sizeof(struct edge_image_optimizer_transform_config) == 8, "layout");
_Static_assert(sizeof(struct edge_image_optimizer_error_detail) == 12, "layout");
#endif

#endif
