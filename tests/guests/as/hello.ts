// SPDX-License-Identifier: Apache-2.0
import "wasi";
import { Fastly, Response } from "@fastly/as-compute";

Fastly.getClientRequest();
Fastly.respondWith(new Response(String.UTF8.encode("Hello"), { status: 200, headers: null, url: null }));
