// SPDX-License-Identifier: Apache-2.0
// HTTP/2 for h2_test.c: `node h2_server.js [CERT KEY]`; prints its port. By path:
//   /hello         headers of the request as JSON, then trailers
//   /echo          bytes back as they come, then trailers (a gRPC bidirectional stream)
//   /early         the whole answer while the upload goes on
//   /reset         RST_STREAM ENHANCE_YOUR_CALM (11) instead of an answer
//   /cut           RST_STREAM within the body
const http2 = require('http2');
const fs = require('fs');
const [cert, key] = process.argv.slice(2);
const server = cert
  ? http2.createSecureServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) })
  : http2.createServer();
let sessions = 0;
server.on('session', () => sessions++);
server.on('stream', (stream, headers) => {
  const path = headers[':path'];
  stream.on('error', () => {});
  if (path === '/reset') return stream.close(11);
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc', 'x-sessions': String(sessions) },
    { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-t': 'end' }));
  if (path === '/cut') {
    stream.write('half');
    setTimeout(() => stream.close(2), 30);
  } else if (path === '/echo') {
    stream.on('data', (d) => stream.write(d));
    stream.on('end', () => stream.end());
  } else if (path === '/early') {
    stream.end('early');
  } else {
    let n = 0;
    stream.on('data', (d) => { n += d.length; });
    stream.on('end', () => stream.end(JSON.stringify({ ...headers, received: n })));
  }
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
