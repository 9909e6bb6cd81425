/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/aws_event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

enum { BAD_GATEWAY = 502 };

json_t *aws_event_new(const struct probe *p)
{
    const char *path = p->path ? p->path : "/", *host = p->host ? p->host : "probe.invalid";
    size_t len = strcspn(path, "?");
    const char *query = path[len] ? path + len + 1 : "";
    cleanup(free_p) char *uri = xstrndup(path, len);
    json_t *headers = json_pack("{s:[{s:s, s:s}], s:[{s:s, s:s}]}", "host", "key", "Host", "value",
                                host, "user-agent", "key", "User-Agent", "value", "edgectl-probe");
    json_t *request = json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:{s:b, s:s, s:s, s:s}, s:{s:{s:{}, s:s, s:i, s:s, s:s, s:i, "
        "s:i, s:[s]}}}",
        "clientIp", "192.0.2.1", "method", "GET", "uri", uri, "querystring", query, "headers",
        headers, "body", "inputTruncated", 0, "action", "read-only", "encoding", "base64", "data",
        "", "origin", "custom", "customHeaders", "domainName", host, "port", 443, "protocol",
        "https", "path", "", "keepaliveTimeout", 5, "readTimeout", 30, "sslProtocols", "TLSv1.2");
    json_t *config = json_pack("{s:s, s:s, s:s, s:s}", "distributionDomainName", "probe.invalid",
                               "distributionId", "EPROBE", "eventType", "origin-request",
                               "requestId", "edgectl-probe");
    return json_pack("{s:[{s:{s:o, s:o}}]}", "Records", "cf", "config", config, "request", request);
}

int aws_event_status(const json_t *answer, char *why, size_t size)
{
    const char *failure = json_string_value(json_object_get(answer, "errorMessage"));
    const json_t *status = json_object_get(answer, "status");
    if (failure) {
        snprintf(why, size, "the function failed: %s", failure);
        return BAD_GATEWAY;
    }
    if (json_is_integer(status))
        return (int)json_integer_value(status);
    if (json_is_string(status))
        return (int)strtol(json_string_value(status), NULL, 10);
    if (json_object_get(answer, "uri"))
        return 200; /* passed on to the origin */
    snprintf(why, size, "the function answered something that is no response");
    return BAD_GATEWAY;
}
