// SPDX-License-Identifier: Apache-2.0
addEventListener("fetch", (event) => event.respondWith(new Response("Hello")));
